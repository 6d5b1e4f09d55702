"""``paperfeed serve``."""

from queue import SimpleQueue
from typing import Annotated

import typer

from cli.options import Db
from cli.output import console
from service.process.ports import check_port
from service.process.stopping import on_stop


def serve(
    db: Db = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder: a sentence-transformers model or path.")] = None,
    bundle: Annotated[str | None, typer.Option(help="Folder of the model bundle.")] = None,
    embedding_cache: Annotated[
        str | None, typer.Option(help="File that keeps vectors by text hash across databases.")
    ] = None,
    exploration: Annotated[float | None, typer.Option(help="Chance, 0 to 1, that a slate is explored.")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes on the port; more than one on Linux.")] = None,
) -> None:
    """Serve feeds over gRPC until SIGTERM, SIGHUP or Ctrl-C, then let accepted calls end."""
    from service import logs
    from service.config import Settings

    settings = Settings.read(
        db=db,
        host=host,
        port=port,
        encoder=encoder,
        bundle=bundle,
        embedding_cache=embedding_cache,
        exploration=exploration,
        workers=workers,
    )
    logs.configure(settings.log_level)

    def announce(bound: int) -> None:
        console.print(f"listening on {settings.host}:{bound}", markup=False)

    if settings.workers > 1:
        from service.process.supervisor import Supervisor

        raise typer.Exit(Supervisor(settings).run(announce))
    from service.bootstrap import Application

    # Not an Event: its lock may be held when the handler runs. SimpleQueue is made for this.
    stopping: SimpleQueue[int] = SimpleQueue()
    on_stop(stopping.put)
    check_port(settings.host, settings.port)
    application = Application(settings)
    announce(application.start())
    stopping.get()
    application.stop()
