"""``paperfeed batch embed``: embed all papers on Dask workers."""

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
        str | None, typer.Option(help="Encoder to compute the vectors with. Default: PAPERFEED_ENCODER.")
    ] = None,
    scheduler: Scheduler = LOCAL,
    workers: Workers = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Compute one encoder's vector for every paper, on Dask workers. Servers may go on with another encoder.

    If interrupted, run the same command again to resume.
    """
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
    """Return what the workers need, with the encoder's name according to the files on this machine."""
    from batch.embed.worker import Cargo
    from service.encoder import open_encoder

    open_in_worker = partial(
        open_encoder,
        settings.encoder,
        # Dask's workers outlive the job; the encoder that they loaded must not.
        idle_seconds=settings.encoder_idle_seconds,
        # One thread each, because there is one worker per core.
        threads=settings.encoder_threads or 1,
        device=settings.encoder_device,
        # Workers on other machines get no cache: files on a network share do not lock reliably.
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
        lines.append(f"{outcome.failed_count} papers could not be embedded and are marked as failed")
    if outcome.pending_count:
        lines.append(f"{outcome.pending_count} papers were added or changed meanwhile and wait for a vector")
    return "\n".join(lines)
