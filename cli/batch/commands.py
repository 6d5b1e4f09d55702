"""``paperfeed batch rerank``, ``paperfeed batch embed`` and ``paperfeed export``: work on all users or all papers."""

import datetime as dt
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.batch.cluster import LOCAL, Scheduler, Workers, absolute_url, announced_cluster, check_scheduler
from cli.observed import job
from cli.options import BundleFolder, Db, Json
from cli.output import progress_bar, show
from service.config import Settings
from service.domain.errors import InvalidField

if TYPE_CHECKING:
    from batch.embed.worker import Cargo

app = typer.Typer(help="Rank for all users, or embed all papers, on many cores or machines.", no_args_is_help=True)


@app.command()
@job("batch embed")
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
    from service.storage import schema

    settings = Settings.read(db=db, encoder=encoder)
    check_scheduler(scheduler, workers)
    schema.check(settings.db)
    cargo = _cargo(settings, is_local=scheduler == LOCAL)
    with progress_bar("embedding") as bar:
        found = run(cargo, lambda: announced_cluster(scheduler, workers), bar.reach)
    text = f"{found.ready_count} papers have a vector of {found.encoder}, {found.stored_count} of them new"
    if found.failed_count:
        text += f"\n{found.failed_count} papers could not be embedded and are marked as failed"
    if found.pending_count:
        text += f"\n{found.pending_count} papers were added or changed meanwhile and wait for a vector"
    show(asdict(found), as_json=as_json, text=text)


@app.command()
@job("batch rerank")
def rerank(
    digest: Annotated[str, typer.Option(help="Id of the digest to rank.")],
    out: Annotated[Path, typer.Option(help="Folder for the slates (ranked lists). It appears when all are written.")],
    users: Annotated[str, typer.Option(help="'all', or a file with one user id per line.")] = "all",
    page_size: Annotated[int, typer.Option(min=1, max=500, help="Number of papers per user.")] = 20,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Time to rank for, ISO 8601; it sets the age of papers. Default: now, or on resuming the first run's."
        ),
    ] = None,
    features: Annotated[bool, typer.Option("--features", help="Also write the features that the model saw.")] = False,
    to_store: Annotated[
        bool, typer.Option("--to-store", help="Also store the slates in the database, where GetFeed can serve them.")
    ] = False,
    scheduler: Scheduler = LOCAL,
    workers: Workers = None,
    db: Db = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Rank from this folder of 'paperfeed export' instead of a database."),
    ] = None,
    bundle: BundleFolder = None,
    as_json: Json = False,
) -> None:
    """Rank a digest for every user and write the results as Parquet files.

    If interrupted, run the same command again to resume.
    """
    from batch.rerank.coordinator import run
    from cli.batch.rerank import check_is_past, make_request, parse_moment, store_slates

    if db is not None and source is not None:
        raise InvalidField("from", "cannot be given together with --db")
    if to_store and source is not None:
        raise InvalidField("to-store", "needs the users' own database; it cannot be given together with --from")
    settings = Settings.read(db=db, bundle=bundle)
    check_scheduler(scheduler, workers)
    moment = parse_moment(as_of) if as_of is not None else None
    if to_store and moment is not None:
        check_is_past(moment)
    request = make_request(settings, source, digest, out, users, page_size, moment, features or to_store)
    with progress_bar("ranking users") as bar:
        outcome = run(request, lambda: announced_cluster(scheduler, workers), bar.reach)
    found = outcome.manifest
    result = {"out": str(out), "partitions_done_before": outcome.resumed, **found}
    text = f"{out}: {found['item_count']} items for {found['user_count']} users, as of {found['job']['as_of']}"
    if found["empty_count"]:
        text += f"\n{found['empty_count']} of these users get no papers: they have seen the whole digest"
    if to_store:
        result["stored_count"] = store_slates(found, out, settings)
        text += f"\n{result['stored_count']} slates are in the database"
    show(result, as_json=as_json, text=text)


@job("export")
def export(
    out: Annotated[Path, typer.Option(help="New folder for the files; it must not exist yet.")],
    events: Annotated[bool, typer.Option("--events", help="Also write every single event.")] = False,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Write papers with vectors, digests and user profiles as Parquet files, in one consistent snapshot."""
    from batch.export.writer import ExportRequest
    from batch.export.writer import export as run_export
    from service.resources import make_encoder
    from service.storage import schema

    settings = Settings.read(db=db)
    schema.check(settings.db)
    with closing(make_encoder(settings)) as encoder:
        request = ExportRequest(settings.db, encoder.name, out, dt.datetime.now(dt.UTC), with_events=events)
    with progress_bar("exporting") as bar:
        manifest = run_export(request, bar.advance)
    text = "\n".join(f"{name}: {count}" for name, count in manifest["row_counts"].items())
    show({"out": str(out), **manifest}, as_json=as_json, text=text)


def _cargo(settings: Settings, *, is_local: bool) -> "Cargo":
    """Return what the workers need, with the encoder's name according to the files on this machine."""
    from batch.embed.worker import Cargo
    from service.encoder import open_encoder
    from service.resources import cache_file

    cache = cache_file(settings) if is_local else None
    open_in_worker = partial(
        open_encoder,
        settings.encoder,
        # Dask's workers outlive the job; the encoder that they loaded must not.
        idle_seconds=settings.encoder_idle_seconds,
        # One thread each, because there is one worker per core.
        threads=settings.encoder_threads or 1,
        device=settings.encoder_device,
        # Workers on other machines get no cache: files on a network share do not lock reliably.
        cache_path=cache.absolute() if cache else None,
        cache_max_bytes=settings.embedding_cache_megabytes * 1_000_000,
    )
    with closing(open_in_worker()) as encoder:
        return Cargo(absolute_url(settings.db), encoder.name, open_in_worker)
