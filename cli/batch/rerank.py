"""``paperfeed batch rerank``: rank a digest for every user on Dask workers."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.batch.cluster import Scheduler, Workers, absolute_url, announced_cluster, check_scheduler
from cli.batch.embed import embed
from cli.options import BundleFolder, Db, Json
from cli.output import progress_bar, show, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from batch.rerank.coordinator import Outcome, Request
    from ranker.bundle.bundle import Bundle
    from service.app.ranking.serving import Serving
    from service.config import Settings

app = typer.Typer(help="Rank for all users, or embed all papers, on many cores or machines.", no_args_is_help=True)
app.command()(embed)


@app.command()
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
    scheduler: Scheduler = "local",
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
    from service.config import Settings
    from service.domain.errors import InvalidField

    if db is not None and source is not None:
        raise InvalidField("from", "cannot be given together with --db")
    if to_store and source is not None:
        raise InvalidField("to-store", "needs the users' own database; it cannot be given together with --from")
    settings = Settings.read(db=db, bundle=bundle)
    check_scheduler(scheduler, workers)
    moment = _moment(as_of)
    if to_store and moment is not None:
        _check_is_past(moment)
    request = _request(settings, source, digest, out, users, page_size, moment, with_features=features or to_store)
    with progress_bar("ranking users") as bar:
        outcome = run(request, lambda: announced_cluster(scheduler, workers), bar.reach)
    stored = _store(outcome, out, settings) if to_store else None
    _show(outcome, out, stored, as_json=as_json)


def _request(
    settings: "Settings",
    source: Path | None,
    digest: str,
    out: Path,
    users: str,
    page_size: int,
    as_of: dt.datetime | None,
    *,
    with_features: bool,
) -> "Request":
    from batch.rerank.coordinator import Request
    from batch.rerank.job import Job
    from batch.rerank.population import read_population
    from ranker.bundle.bundle import bundle_files, bundle_of
    from ranker.errors import BundleError
    from service.bootstrap import SystemClock, bundle_folder
    from service.domain.errors import BundleUnusable

    population = read_population(users)
    files: dict[str, bytes] = {}

    def load(encoder: str) -> "Bundle":
        # The job's model version and the workers' bundle come from one read: the folder may be replaced at any time.
        try:
            read = bundle_files(bundle_folder(settings))
            bundle = bundle_of(read, bundle_folder(settings), encoder=encoder)
        except BundleError as error:
            raise BundleUnusable(str(error)) from error
        files.update(read)
        return bundle

    location, name, serving = _of_database(settings, load) if source is None else _of_export(source, load)
    if serving.bundle is None:
        warn(f"users are ranked by similarity to their likes alone: {serving.problem}")
    job = Job(
        source=name,
        population=population.name,
        digest_id=digest,
        encoder=serving.encoder,
        model_version=serving.bundle.version if serving.bundle else "",
        features_version=serving.bundle.features_version if serving.bundle else "",
        as_of=as_of or SystemClock().now(),
        page_size=page_size,
        diversity=settings.diversity,
        exploration=settings.exploration,
        with_features=with_features,
    )
    return Request(job, as_of is not None, location, files or None, population, out)


def _of_database(settings: "Settings", load: "Callable[[str], Bundle]") -> tuple[str, str, "Serving"]:
    """Return the database's URL, the same without its password, and the encoder and bundle that serve there."""
    from service.app.ranking.serving import ServingSlot
    from service.bootstrap import make_encoder
    from service.config import without_password
    from service.storage import open_store, schema

    schema.check(settings.db)
    location = absolute_url(settings.db)
    store, encoder = open_store(location, pool_size=1), make_encoder(settings)
    try:
        serving = ServingSlot(store, encoder.name, load).current
    finally:
        encoder.close()
        store.dispose()
    return location, without_password(location), serving


def _of_export(folder: Path, load: "Callable[[str], Bundle]") -> tuple[str, str, "Serving"]:
    """Return the export's folder, its name, and its encoder with the bundle; the exported vectors fix the encoder."""
    from batch.export.source import read_manifest
    from service.app.ranking.serving import Serving
    from service.domain.errors import BundleUnusable

    manifest = read_manifest(folder)
    encoder, location = manifest["encoder"], str(folder.absolute())
    name = f"{location}, made at {manifest['made_at']}"
    try:
        return location, name, Serving(encoder, load(encoder), "", 0)
    except BundleUnusable as error:
        return location, name, Serving(encoder, None, error.message, 0)


def _moment(text: str | None) -> dt.datetime | None:
    from service.domain.errors import InvalidField

    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
        # The same time in another time zone is the same job.
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except OverflowError as error:
        raise InvalidField("as-of", f"{text!r} is outside the years 1 to 9999 in UTC") from error
    except ValueError as error:
        raise InvalidField("as-of", f"{text!r} is not a time such as 2026-03-11T08:00:00+00:00") from error


def _check_is_past(as_of: dt.datetime) -> None:
    """Raise InvalidField if GetFeed could not serve slates of this time yet."""
    from service.bootstrap import SystemClock
    from service.domain.errors import InvalidField
    from service.domain.events import MAX_FUTURE

    if as_of > SystemClock().now() + MAX_FUTURE:
        problem = f"{as_of.isoformat()} is more than 5 minutes in the future; --to-store cannot store its slates"
        raise InvalidField("as-of", problem)


def _store(outcome: "Outcome", out: Path, settings: "Settings") -> int:
    from batch.rerank.job import Job
    from batch.rerank.to_store import store_slates
    from service.storage import open_store

    # A resumed run without --as-of takes the time of the first run.
    _check_is_past(Job.from_json(outcome.manifest["job"]).as_of)
    store = open_store(settings.db, pool_size=1)
    try:
        with progress_bar("storing slates", outcome.manifest["user_count"]) as bar:
            return store_slates(out, outcome.manifest, store, bar.advance)
    finally:
        store.dispose()


def _show(outcome: "Outcome", out: Path, stored: int | None, *, as_json: bool) -> None:
    found = outcome.manifest
    result = {"out": str(out), "partitions_done_before": outcome.resumed, **found}
    if stored is not None:
        result["stored_count"] = stored
    text = f"{out}: {found['item_count']} items for {found['user_count']} users, as of {found['job']['as_of']}"
    if found["empty_count"]:
        text += f"\n{found['empty_count']} of these users get no papers: they have seen the whole digest"
    if stored is not None:
        text += f"\n{stored} slates are in the database"
    show(result, as_json=as_json, text=text)
