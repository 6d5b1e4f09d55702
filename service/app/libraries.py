"""A reference manager's library as likes."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from service.app.ports import Clock, Store
from service.domain.events import Event, EventType, default_event_id
from service.domain.papers import Paper, UpsertOutcome, check_id, check_paper


@dataclass(frozen=True)
class LibraryImport:
    """What importing a library did."""

    added_count: int
    matched_count: int
    liked_count: int


def import_library(
    store: Store, clock: Clock, user_id: str, entries: Sequence[tuple[Paper, dt.datetime | None]]
) -> LibraryImport:
    """Stores the papers and one like each, in one transaction; (paper, when it was added) in, None where unknown."""
    user_id = check_id(user_id, "user_id")
    papers = [check_paper(paper, f"entries[{i}]") for i, (paper, _) in enumerate(entries)]
    now = clock.now()
    with store.write() as tx:
        results = tx.papers.upsert(papers, now)
        events = [
            Event(
                event_id=default_event_id(user_id, paper_id, EventType.LIKE, added_at),
                user_id=user_id,
                paper_id=paper_id,
                event_type=EventType.LIKE,
                occurred_at=added_at,
            )
            for (paper_id, _), (_, added_at) in zip(results, entries, strict=True)
        ]
        new = tx.users.record(events, now)
    added = sum(1 for _, outcome in results if outcome is UpsertOutcome.CREATED)
    return LibraryImport(added_count=added, matched_count=len(results) - added, liked_count=sum(new))
