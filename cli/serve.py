"""``paperfeed serve``: run the feed server."""

from queue import SimpleQueue
from typing import Annotated

import typer

from cli.destination import check_database
from cli.options import BundleFolder, Db, EmbeddingCache
from cli.output import console
from service import logs
from service.config import Settings
from service.process.failures import note
from service.process.ports import check_port
from service.process.stopping import on_stop


def serve(
    db: Db = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one. Default: 50051.")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Model that turns text into vectors: a sentence-transformers name or folder, or 'hashing'. "
            "Default: all-MiniLM-L6-v2."
        ),
    ] = None,
    bundle: BundleFolder = None,
    embedding_cache: EmbeddingCache = None,
    exploration: Annotated[
        float | None,
        typer.Option(
            help="Probability, 0 to 1, that one of a feed's first ten places shows a paper from further down. "
            "Default: 0.2."
        ),
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            help="How callers are identified: keys, mtls, or none (the default) on addresses of this machine."
        ),
    ] = None,
    tls_cert: Annotated[
        str | None, typer.Option(help="PEM file with the server's certificate chain; TLS is then required.")
    ] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM file with the private key of the certificate.")] = None,
    client_ca: Annotated[
        str | None,
        typer.Option(help="PEM file with authorities; clients then need a certificate that one of them has signed."),
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure", help="Allow callers without identity from other machines, which the log then names."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of server processes on the port; more than 1 needs Linux. Default: 1.")
    ] = None,
) -> None:
    """Run the gRPC server until SIGTERM, SIGHUP or Ctrl-C. Calls that it has accepted are still answered.

    Every option has a PAPERFEED_ setting, such as PAPERFEED_PORT; an option overrides its setting.
    """
    settings = Settings.read(
        db=db,
        host=host,
        port=port,
        encoder=encoder,
        bundle=bundle,
        embedding_cache=embedding_cache,
        exploration=exploration,
        auth=auth,
        server_tls_cert=tls_cert,
        server_tls_key=tls_key,
        server_client_ca=client_ca,
        insecure=insecure,
        workers=workers,
    )
    check_database("db", settings.db, is_given="db" in Settings.given(db=db), may_make=True)
    logs.configure(settings.log_level)

    def announce(bound: int) -> None:
        port_part = "" if settings.host.startswith("unix:") else f":{bound}"
        console.print(f"listening on {settings.host}{port_part}", markup=False)

    if settings.workers > 1:
        from service.process.supervisor import Supervisor

        raise typer.Exit(Supervisor(settings).run(announce))
    from service.bootstrap import Application

    # Not an Event, whose lock may be held when the signal handler runs. A SimpleQueue is safe there.
    stopping: SimpleQueue[int] = SimpleQueue()
    on_stop(stopping.put)
    check_port(settings.host, settings.port)
    application = Application(settings)
    bound = application.start()
    if application.warning:
        note(application.warning)
    announce(bound)
    stopping.get()
    application.stop()
