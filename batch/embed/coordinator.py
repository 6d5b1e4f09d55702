"""The vectors of a whole catalog: texts that wait are cut into ranges, handed out, and looked for again at the end.

The database is the only record of what is done: a run that was broken off is simply run again.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from batch.cluster import Cluster
from batch.embed.worker import RANGE_SIZE, Cargo, Done, Failure, PaperRange, embed, ranges_of
from batch.errors import PartitionFailed
from service.app.ports import Store
from service.storage import open_store


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        ready_count: Vectors of this encoder that are there at the end.
        stored_count: Vectors that the workers stored.
        failed_count: Texts that the encoder cannot embed; marked FAILED.
        pending_count: Texts that wait at the end: of papers that came or changed in the last moments.
        range_count: Ranges handed out.
    """

    encoder: str
    ready_count: int
    stored_count: int
    failed_count: int
    pending_count: int
    range_count: int


Watcher = Callable[[int, int], None]
"""Is told how many texts are done with, and how many there are."""


def run(cargo: Cargo, cluster: Callable[[], Any], watch: Watcher, *, range_size: int = RANGE_SIZE) -> Outcome:
    """Gives every text its vector; vectors of other encoders stay as they are, and serve.

    Texts that come or change meanwhile are taken in further rounds, as long as a round gets something done.

    Args:
        cluster: Opens the cluster, as a context; called when there is work.
        range_size: See ``ranges_of``.

    Raises:
        ClusterUnavailable: Nobody to work.
        PartitionFailed: A lost or full database, an encoder that does not work; what is stored stays.
    """
    store = open_store(cargo.location, pool_size=1)
    try:
        done = _in_rounds(store, cargo, cluster, watch, range_size)
        with store.read() as tx:
            ready = tx.papers.encoders().get(cargo.encoder, 0)
            pending = tx.papers.pending_count(cargo.encoder)
    finally:
        store.dispose()
    return Outcome(
        encoder=cargo.encoder,
        ready_count=ready,
        stored_count=sum(each.stored_count for each in done),
        failed_count=sum(each.failed_count for each in done),
        pending_count=pending,
        range_count=len(done),
    )


def _in_rounds(store: Store, cargo: Cargo, cluster: Callable[[], Any], watch: Watcher, range_size: int) -> list[Done]:
    done: list[Done] = []
    left = _waiting(store, cargo.encoder, range_size)
    watch(0, _paper_count(left))
    if not left:
        return done
    with cluster() as opened:
        while left:
            found = _round(opened, cargo, left, _after(watch, _paper_count(each.papers for each in done)))
            done += found
            is_progress = any(each.stored_count or each.failed_count for each in found)
            left = _waiting(store, cargo.encoder, range_size) if is_progress else []
    return done


def _paper_count(ranges: Iterable[PaperRange]) -> int:
    return sum(each.paper_count for each in ranges)


def _after(watch: Watcher, before: int) -> Watcher:
    """Tells of a round after others."""
    return lambda done, total: watch(before + done, before + total)


def _waiting(store: Store, encoder: str, range_size: int) -> list[PaperRange]:
    with store.read() as tx:
        return ranges_of(tx.papers.pending_sizes(encoder), range_size)


def _round(cluster: Cluster, cargo: Cargo, left: list[PaperRange], watch: Watcher) -> list[Done]:
    done: list[Done] = []
    problems: list[str] = []
    total = _paper_count(left)

    def take(result: Done | Failure) -> bool:
        if isinstance(result, Done):
            done.append(result)
            watch(_paper_count(each.papers for each in done), total)
        else:
            problems.append(result.problem)
        return not problems

    # Two runs at a time may only waste work; under one name the end of one would take the cargo from the other.
    cluster.each(f"paperfeed-embed-{secrets.token_hex(4)}", embed, cargo, left, take)
    if problems:
        raise PartitionFailed(problems[0], done=len(done), total=len(left))
    return done
