"""The steps of ``paperfeed batch rerank`` before and after the job itself."""

import datetime as dt
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch.export.source import read_manifest
from batch.export.statistics_file import read_statistics
from batch.rerank import to_store
from batch.rerank.coordinator import Request
from batch.rerank.job import Job
from batch.rerank.population import read_population
from cli.batch.cluster import absolute_url
from cli.local import opened_store
from cli.output import progress_bar, warn
from ranker.bundle.bundle import Bundle, bundle_files, bundle_of
from ranker.errors import BundleError
from service.app.ranking.serving import Serving, ServingSlot
from service.bootstrap import serving_bundle_folder
from service.config import Settings, without_password
from service.domain.errors import BundleUnusable, InvalidField
from service.domain.events import MAX_FUTURE
from service.resources import make_encoder


def make_request(
    settings: Settings,
    source: Path | None,
    digest: str,
    out: Path,
    users: str,
    page_size: int,
    as_of: dt.datetime | None,
    with_features: bool,
) -> Request:
    """Return the job and all that its workers need. ``source`` is the folder of an export; None reads the database."""
    population = read_population(users)
    files: dict[str, bytes] = {}

    def load(encoder: str) -> Bundle:
        # The job's model version and the workers' bundle come from one read: the folder may be replaced at any time.
        try:
            folder = serving_bundle_folder(settings)
            read = bundle_files(folder)
            bundle = bundle_of(read, folder, encoder=encoder)
        except BundleError as error:
            raise BundleUnusable(str(error)) from error
        files.update(read)
        return bundle

    location, name, serving, statistics = (
        _of_database(settings, load, as_of) if source is None else _of_export(source, load, as_of)
    )
    if serving.bundle is None:
        warn(f"users are ranked by similarity to their likes alone: {serving.problem}")
    job = Job(
        source=name,
        population=population.name,
        digest_id=digest,
        encoder=serving.encoder,
        model_version=serving.bundle.version if serving.bundle else "",
        features_version=serving.bundle.features_version if serving.bundle else "",
        as_of=as_of or dt.datetime.now(dt.UTC),
        page_size=page_size,
        diversity=settings.diversity,
        exploration=settings.exploration,
        with_features=with_features,
        statistics_version=serving.statistics_version,
    )
    return Request(
        job=job,
        as_of_given=as_of is not None,
        location=location,
        bundle=None if serving.bundle is None else files,
        population=population,
        out=out,
        statistics=statistics,
    )


def parse_moment(text: str) -> dt.datetime:
    """Return the time in UTC, as the same time in another time zone is the same job; raise InvalidField if invalid."""
    try:
        found = dt.datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except OverflowError as error:
        raise InvalidField("as-of", f"{text!r} is outside the years 1 to 9999 in UTC") from error
    except ValueError as error:
        raise InvalidField("as-of", f"{text!r} is not a time such as 2026-03-11T08:00:00+00:00") from error


def check_is_past(as_of: dt.datetime) -> None:
    """Raise InvalidField if GetFeed could not serve slates of this time yet."""
    if as_of > dt.datetime.now(dt.UTC) + MAX_FUTURE:
        problem = f"{as_of.isoformat()} is more than 5 minutes in the future; --to-store cannot store its slates"
        raise InvalidField("as-of", problem)


def store_slates(manifest: dict[str, Any], out: Path, settings: Settings) -> int:
    """Store the slates of the output in the database; return their number."""
    # A resumed run without --as-of takes the time of the first run.
    check_is_past(Job.from_json(manifest["job"]).as_of)
    with opened_store(settings.db) as store, progress_bar("storing slates", manifest["user_count"]) as bar:
        return to_store.store_slates(out, manifest, store, bar.advance)


def _of_database(
    settings: Settings, load: Callable[[str], Bundle], as_of: dt.datetime | None
) -> tuple[str, str, Serving, bytes]:
    """Return the database's URL, the same without its password, and the choice that serves there with its statistics.

    Args:
        as_of: The statistics are those of this time; None takes the newest.
    """
    location = absolute_url(settings.db)
    with opened_store(location) as store, closing(make_encoder(settings)) as encoder:
        serving = ServingSlot(store, encoder.name, load).choice(as_of).serving
        with store.read() as tx:
            statistics = tx.statistics.data(serving.statistics_version) or b""
    # The version may have been pruned a moment ago.
    serving = replace(serving, statistics_version=serving.statistics_version if statistics else 0)
    return location, without_password(location), serving, statistics


def _of_export(
    folder: Path, load: Callable[[str], Bundle], as_of: dt.datetime | None
) -> tuple[str, str, Serving, bytes]:
    """Return the export's folder, its name, and its encoder with the bundle and the statistics.

    The exported vectors fix the encoder.
    """
    manifest = read_manifest(folder)
    encoder, location = manifest["encoder"], str(folder.absolute())
    name = f"{location}, made at {manifest['made_at']}"
    try:
        bundle = load(encoder)
    except BundleUnusable as error:
        return location, name, Serving(encoder, None, error.message, 0), b""
    version, statistics = read_statistics(folder, manifest, as_of)
    return location, name, Serving(encoder, bundle, "", 0, version), statistics
