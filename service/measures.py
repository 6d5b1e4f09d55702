"""The measures of a server process that are read when metrics are collected: what is read, and its name."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from database.observed import connection_measure
from service.api.queues import CallQueue
from service.app.counters import Counters
from service.app.feeds import Feeds
from service.app.ranking.ranking_times import ranking_buckets, ranking_counts
from service.app.ranking.serving import ServingSlot
from service.app.storage_probe import StorageProbe
from service.encoder.measured import MeasuredEncoder
from service.storage import SqlStore
from telemetry.record import Measure, Reading


def server_measures(
    counters: Counters,
    queues: Iterable[CallQueue],
    serving: ServingSlot,
    feeds: Feeds,
    encoder: MeasuredEncoder,
    store: SqlStore,
) -> list[Measure]:
    """Return the measures of one server process."""
    queues = tuple(queues)

    def caches() -> dict[str, int]:
        return {**feeds.users.cache_bytes(), "digests": feeds.candidates.cache_bytes}

    return [
        Measure(
            "paperfeed.feeds", "counter", "{feed}", "Feeds and rankings that were served.", lambda: _feeds(counters)
        ),
        Measure(
            "paperfeed.events",
            "counter",
            "{event}",
            "New events that were stored.",
            lambda: [(count, {"event_type": name.lower()}) for name, count in counters.events()],
        ),
        Measure(
            "paperfeed.rankings",
            "counter",
            "{ranking}",
            "Rankings by each bundle, and how many failed.",
            lambda: ranking_counts(serving.ranking_times()),
        ),
        Measure(
            "paperfeed.ranking.seconds.bucket",
            "counter",
            "{ranking}",
            "Rankings for one user alone, by the seconds that they took at most.",
            lambda: ranking_buckets(serving.ranking_times()),
        ),
        Measure(
            "paperfeed.queue.length",
            "gauge",
            "{call}",
            "Calls that wait for a thread.",
            lambda: [(each.length, {"queue": each.name}) for each in queues],
        ),
        Measure(
            "paperfeed.queue.refusals",
            "counter",
            "{call}",
            "Calls that were refused because too many waited.",
            lambda: [(each.refusals.count, {"queue": each.name}) for each in queues],
        ),
        Measure(
            "paperfeed.encoder.backlog",
            "gauge",
            "{text}",
            "Texts that wait for the encoder or are being encoded.",
            lambda: [(encoder.backlog, {})],
        ),
        Measure(
            "paperfeed.cache.size",
            "gauge",
            "By",
            "Approximate memory of a cache.",
            lambda: [(size, {"cache": name}) for name, size in caches().items()],
        ),
        connection_measure(store.connections),
        Measure(
            "paperfeed.database.available",
            "gauge",
            "{database}",
            "0 if transactions fail or wait for long at present, otherwise 1.",
            lambda: [(int(not store.problem), {})],
        ),
        Measure(
            "paperfeed.ready",
            "gauge",
            "{server}",
            "1 if the server is ready: a model serves, or none is needed.",
            lambda: [(int(serving.is_ready), {"model_version": _model_version(serving)})],
        ),
    ]


def paper_measures(counts: StorageProbe[tuple[int, int]]) -> list[Measure]:
    """Return the measures that all processes on one database share; one process exports them."""

    def read(place: int) -> Callable[[], Iterable[Reading]]:
        def values() -> Iterator[Reading]:
            found, _ = counts.find()
            if found is not None:
                yield found[place], {}

        return values

    return [
        Measure("paperfeed.papers", "gauge", "{paper}", "Papers in the catalog.", read(0)),
        Measure("paperfeed.papers.pending", "gauge", "{paper}", "Papers that wait for a vector.", read(1)),
    ]


def _feeds(counters: Counters) -> list[Reading]:
    return [
        (
            count,
            {
                "fallback_reason": kind.fallback_reason.lower(),
                "model_version": kind.model_version,
                "stale_digest": kind.stale_digest,
            },
        )
        for kind, count in counters.feeds()
    ]


def _model_version(serving: ServingSlot) -> str:
    bundle: Any = serving.current.bundle
    return str(bundle.version) if bundle else ""
