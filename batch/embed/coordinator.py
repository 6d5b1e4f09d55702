"""The coordinator of an embedding job: cuts the papers without a vector into ranges and hands these out.

The database is the only record of what is done. If a job is interrupted, run it again.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from batch.embed.worker import RANGE_SIZE, Cargo, Done, PaperRange, embed, ranges_of
from service.app.ports import Store
from service.storage import open_store


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes:
        ready_count: Number of papers that have a vector of this encoder at the end.
        stored_count: Number of vectors that the workers stored.
        failed_count: Number of papers that the encoder cannot embed; they are marked FAILED.
        pending_count: Number of papers without a vector at the end; they are new or changed at the last moment.
        range_count: Number of ranges handed out.
    """

    encoder: str
    ready_count: int
    stored_count: int
    failed_count: int
    pending_count: int
    range_count: int


Watcher = Callable[[int, int], None]
"""Called with the number of papers done and the number of all papers that lacked a vector."""


def run(cargo: Cargo, cluster: Callable[[], Any], watch: Watcher, *, range_size: int = RANGE_SIZE) -> Outcome:
    """Give every paper a vector of the encoder; vectors of other encoders stay as they are.

    Papers that come or change while the job runs are embedded in further rounds, until a round makes no progress.

    Args:
        cluster: Returns a context manager that opens the cluster; called only if there is work.
        range_size: See ``ranges_of``.

    Raises:
        ClusterUnavailable: No scheduler answers, or it has no workers.
        PartitionFailed: For example, the database is lost or full, or the encoder fails; stored vectors are kept.
    """
    with open_store(cargo.location, pool_size=1) as store:
        done = _in_rounds(store, cargo, cluster, watch, range_size)
        with store.read() as tx:
            ready = tx.papers.encoders().get(cargo.encoder, 0)
            pending = tx.papers.pending_count(cargo.encoder)
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
    total = _paper_count(left)
    watch(0, total)
    if not left:
        return done

    def take(result: Done) -> str:
        done.append(result)
        watch(_paper_count(each.papers for each in done), total)
        return ""

    with cluster() as opened:
        while left:
            before = len(done)
            # A random name: two runs of one job do no harm, unless the end of one removes the other's cargo.
            opened.each(f"paperfeed-embed-{secrets.token_hex(4)}", embed, cargo, left, take)
            is_progress = any(each.stored_count or each.failed_count for each in done[before:])
            left = _waiting(store, cargo.encoder, range_size) if is_progress else []
            total = _paper_count([*(each.papers for each in done), *left])
    return done


def _paper_count(ranges: Iterable[PaperRange]) -> int:
    return sum(each.paper_count for each in ranges)


def _waiting(store: Store, encoder: str, range_size: int) -> list[PaperRange]:
    with store.read() as tx:
        return ranges_of(tx.papers.pending_sizes(encoder), range_size)
