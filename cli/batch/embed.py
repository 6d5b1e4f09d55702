"""``paperfeed batch embed``."""

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cli.batch.cluster import LOCAL, Scheduler, Workers, absolute_url, announced_cluster, check_scheduler
from cli.options import Db, Json
from cli.output import progress_bar, show

if TYPE_CHECKING:
    from batch.embed.coordinator import Outcome
    from batch.embed.worker import Cargo
    from service.config import Settings


def embed(
    encoder: Annotated[
        str | None, typer.Option(help="Encoder whose vectors are made. Default: that of PAPERFEED_ENCODER.")
    ] = None,
    scheduler: Scheduler = LOCAL,
    workers: Workers = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Give every paper a vector of an encoder, while other vectors serve. Broken off, the same command goes on."""
    from batch.embed.coordinator import run
    from service.config import Settings
    from service.storage import schema

    settings = Settings.read(db=db, encoder=encoder)
    check_scheduler(scheduler, workers)
    schema.check(settings.db)
    cargo = _cargo(settings, is_local=scheduler == LOCAL)
    with progress_bar("embedding") as bar:
        outcome = run(cargo, lambda: announced_cluster(scheduler, workers), bar.reach)
    show(asdict(outcome), as_json=as_json, text=_text(outcome))


def _cargo(settings: "Settings", *, is_local: bool) -> "Cargo":
    """What workers need, with the encoder's name as this machine's files make it."""
    from batch.embed.worker import Cargo
    from service.encoder import open_encoder

    open_in_worker = partial(
        open_encoder,
        settings.encoder,
        # Dask's workers outlive the job; what they loaded for it shall not.
        idle_seconds=settings.encoder_idle_seconds,
        # Workers use the cores; threads of one another's encoders would only wait.
        threads=settings.encoder_threads or 1,
        device=settings.encoder_device,
        # A file that machines share over a network does not lock.
        cache_path=settings.cache_path.absolute() if is_local and settings.cache_path else None,
    )
    encoder = open_in_worker()
    try:
        return Cargo(absolute_url(settings.db), encoder.name, open_in_worker)
    finally:
        encoder.close()


def _text(outcome: "Outcome") -> str:
    lines = [f"{outcome.ready_count} papers have a vector of {outcome.encoder}, {outcome.stored_count} of them new"]
    if outcome.failed_count:
        lines.append(f"{outcome.failed_count} texts cannot be embedded: they are marked as failed")
    if outcome.pending_count:
        lines.append(f"{outcome.pending_count} texts came or changed meanwhile and wait")
    return "\n".join(lines)
