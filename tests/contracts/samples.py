"""Papers, events and slates for tests of the store, and threads to write them at the same time."""

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from service.app.ports import Store
from service.domain.events import Event, EventType
from service.domain.feeds import FallbackReason, Reason, ReasonType, Slate, SlateItem
from service.domain.papers import Paper, UpsertOutcome

NOW = dt.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ON_POSTGRES = pytest.mark.parametrize(
    "store_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
"""Runs a test on PostgreSQL only."""
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
"""Runs a test on SQLite only, because its code does not depend on the engine."""
CREATED, UPDATED, UNCHANGED = UpsertOutcome.CREATED, UpsertOutcome.UPDATED, UpsertOutcome.UNCHANGED


@dataclass
class FixedClock:
    """A clock that shows ``time`` until a test sets it."""

    time: dt.datetime

    def now(self) -> dt.datetime:
        """Return the time of the clock."""
        return self.time


CLOCK = FixedClock(NOW)


def paper(number: int, **fields: object) -> Paper:
    """Return a paper with an id and a title of its own, and these fields."""
    values = {"paper_id": f"p{number}", "title": f"Title of paper number {number}"} | fields
    return Paper(**values)  # type: ignore[arg-type]


def add_papers(store: Store, count: int, **fields: object) -> list[str]:
    """Store the papers p0, p1 and so on. Return their ids."""
    with store.write() as tx:
        return [paper_id for paper_id, _ in tx.papers.upsert([paper(i, **fields) for i in range(count)], NOW)]


def event(
    event_type: EventType = EventType.LIKE,
    paper_id: str = "p0",
    *,
    at: dt.datetime | None = NOW,
    event_id: str = "",
    user_id: str = "ada",
    slate_id: str = "",
) -> Event:
    """Return an event; by default a like of p0 by ada, with an id made from its other fields."""
    event_id = event_id or f"{user_id}-{paper_id}-{event_type.value}-{at}"
    return Event(event_id, user_id, paper_id, event_type, at, slate_id)


def record(store: Store, *events: Event, now: dt.datetime = NOW) -> list[bool]:
    """Store the events in one transaction."""
    with store.write() as tx:
        return tx.users.record(events, now)


def embed(store: Store, paper_ids: Sequence[str], encoder: str = "mini") -> int:
    """Store a vector of the present text of each paper."""
    with store.write() as tx:
        papers = tx.papers.find_many(paper_ids)
        vectors = {key: (papers[key].text_hash, np.full(4, i, np.float32)) for i, key in enumerate(paper_ids)}
        return tx.papers.store_vectors(encoder, vectors)


def slate(slate_id: str = "s1", user_id: str = "ada", created_at: dt.datetime = NOW) -> Slate:
    """Return a slate of two papers, one with reasons and one without, with features of both."""
    reason = Reason(ReasonType.SIMILAR_TO_LIKED, "Café “é”", "p9", 0.1 + 0.2)
    items = (
        SlateItem(1, "p0", 1.25, (reason, Reason(ReasonType.FRESH)), 0.5),
        SlateItem(2, "p1", -0.333333),
    )
    facts = (("d1", "d2"), "cosine", FallbackReason.NEW_USER, NOW, created_at, "hash", 3)
    return Slate(slate_id, user_id, *facts, items, "f1", np.arange(6, dtype="<f4").tobytes(), stale_digest=True)


def in_threads(*calls: Callable[[], object]) -> None:
    """Run the calls at the same time. Raise the first error of any of them."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        try:
            barrier.wait()
            call()
        except BaseException as error:  # noqa: BLE001 - shown by the test's thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    if errors:
        raise errors[0]
