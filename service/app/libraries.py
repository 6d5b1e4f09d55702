"""Import of a reference manager's library as likes."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from service.app.ports import Clock, Store
from service.domain.events import Event, EventType, default_event_id
from service.domain.papers import Paper, UpsertOutcome, check_id, check_paper


@dataclass(frozen=True)
class LibraryImport:
    """Counts of an imported library: papers new to the catalog, entries that matched known papers, and new likes."""

    added_count: int
    matched_count: int
    liked_count: int


def import_library(
    store: Store, clock: Clock, user_id: str, entries: Sequence[tuple[Paper, dt.datetime | None]]
) -> LibraryImport:
    """Store the papers of (paper, time of adding or None) entries and a like of each, in one transaction."""
    user_id = check_id(user_id, "user_id")
    papers = [check_paper(paper, f"entries[{i}]") for i, (paper, _) in enumerate(entries)]
    now = clock.now()
    with store.write() as tx:
        known = tx.papers.resolve([alias for paper in papers for alias in paper.aliases])
        found = [next((known[alias] for alias in paper.aliases if alias in known), None) for paper in papers]
        # A known paper stays unchanged: one user's library must not edit the catalog of all users.
        results = tx.papers.upsert([paper for paper, name in zip(papers, found, strict=True) if name is None], now)
        added = iter(results)
        paper_ids = [name or next(added)[0] for name in found]
        events = [
            Event(
                event_id=default_event_id(user_id, paper_id, EventType.LIKE, added_at),
                user_id=user_id,
                paper_id=paper_id,
                event_type=EventType.LIKE,
                occurred_at=added_at,
            )
            for paper_id, (_, added_at) in zip(paper_ids, entries, strict=True)
        ]
        new = tx.users.record(events, now)
    added_count = sum(1 for _, outcome in results if outcome is UpsertOutcome.CREATED)
    return LibraryImport(added_count=added_count, matched_count=len(entries) - added_count, liked_count=sum(new))
