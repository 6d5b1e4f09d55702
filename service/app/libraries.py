"""Import of a reference manager's library as likes."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from service.app.ports import Clock, Store, Transaction
from service.domain.errors import Conflict
from service.domain.events import MAX_FUTURE, Event, EventType, OtherEvent, default_event_id, next_event_id
from service.domain.identifiers import is_by_title
from service.domain.papers import Paper, UpsertOutcome, check_id, check_paper


@dataclass(frozen=True)
class LibraryImport:
    """Result of the import of a library.

    Attributes:
        added_count: Papers new to the catalog.
        matched_count: Papers that the catalog had before.
        liked_count: Papers that the user likes since this import.
        liked_before_count: Papers of the library that the user liked before.
        conflicts: Index of an entry, and its arXiv id or DOI, which belongs to another paper of the catalog. The
            entry's paper is stored without this id.
    """

    added_count: int
    matched_count: int
    liked_count: int
    liked_before_count: int
    conflicts: tuple[tuple[int, str], ...] = ()


def import_library(
    store: Store, clock: Clock, user_id: str, entries: Sequence[tuple[Paper, dt.datetime | None]]
) -> LibraryImport:
    """Store the papers of (paper, time of adding or None) entries and a like of each, in one transaction.

    A time of adding in the future counts as unknown.

    Raises:
        Conflict: The user's events changed at the same time.
    """
    user_id = check_id(user_id, "user_id")
    papers = [check_paper(paper, f"entries[{i}]") for i, (paper, _) in enumerate(entries)]
    now = clock.now()
    with store.write() as tx:
        placed = place_papers(tx, papers, now)
        paper_ids = placed.paper_ids
        before = _liked(tx, user_id)
        times = [added_at if added_at and added_at <= now + MAX_FUTURE else None for _, added_at in entries]
        events = [
            Event(
                event_id=default_event_id(user_id, paper_id, EventType.LIKE, added_at),
                user_id=user_id,
                paper_id=paper_id,
                event_type=EventType.LIKE,
                occurred_at=added_at,
            )
            for paper_id, added_at in zip(paper_ids, times, strict=True)
        ]
        try:
            tx.users.record(list(_with_free_ids(events, tx.users.events(user_id))), now)
        except OtherEvent as error:
            raise Conflict("user", user_id) from error
        after = _liked(tx, user_id)
    return LibraryImport(
        added_count=placed.added_count,
        matched_count=len(entries) - placed.added_count,
        liked_count=len(after - before),
        liked_before_count=len(before.intersection(paper_ids)),
        conflicts=placed.conflicts,
    )


@dataclass(frozen=True, slots=True)
class PlacedPapers:
    """Papers of a library in the catalog.

    Attributes:
        paper_ids: Id of each paper in the catalog, in the order given.
        added_count: Papers new to the catalog.
        conflicts: As in ``LibraryImport``.
    """

    paper_ids: list[str]
    added_count: int
    conflicts: tuple[tuple[int, str], ...]


def place_papers(tx: Transaction, papers: Sequence[Paper], now: dt.datetime) -> PlacedPapers:
    """Find the papers in the catalog and add those that it lacks.

    A known paper stays unchanged: one user's library must not edit the catalog of all users.
    """
    known = _known(tx, papers)
    papers, conflicts = _without_conflicts(papers, known)
    known = _known(tx, papers) if conflicts else known  # an id that is made from a title may be new
    found = [_find_same(paper, known) for paper in papers]
    results = tx.papers.upsert([paper for paper, name in zip(papers, found, strict=True) if name is None], now)
    added = iter(results)
    paper_ids = [name or next(added)[0] for name in found]
    added_count = sum(1 for _, outcome in results if outcome is UpsertOutcome.CREATED)
    return PlacedPapers(paper_ids, added_count, tuple(conflicts))


def _with_free_ids(events: Sequence[Event], stored: Iterable[Event]) -> Iterator[Event]:
    """Yield the events; those whose id the user gave to another event get the next free id.

    A client may choose any id, so it may be one that is derived from another event. The same import gives the same ids
    again.
    """
    by_id = {event.event_id: event for event in stored}
    for given in events:
        event = given
        while event.event_id in by_id and not event.repeats(by_id[event.event_id]):
            event = replace(event, event_id=next_event_id(event.event_id))
        yield event


def _liked(tx: Transaction, user_id: str) -> set[str]:
    state = tx.users.find_state(user_id)
    return {like.paper_id for like in state.likes} if state else set()


def _known(tx: Transaction, papers: Sequence[Paper]) -> dict[str, Paper]:
    """Return the stored papers by the aliases of these papers."""
    id_by_alias = tx.papers.resolve([alias for paper in papers for alias in paper.aliases])
    stored = tx.papers.find_many(list(dict.fromkeys(id_by_alias.values())))
    return {alias: stored[paper_id] for alias, paper_id in id_by_alias.items() if paper_id in stored}


def _without_conflicts(
    papers: Sequence[Paper], known: Mapping[str, Paper]
) -> tuple[list[Paper], list[tuple[int, str]]]:
    """Return the papers without the arXiv ids and DOIs of other papers of the catalog, and these ids by index."""
    kept: list[Paper] = []
    conflicts: list[tuple[int, str]] = []
    for index, given in enumerate(papers):
        paper = given
        for alias in given.aliases:
            if alias in known and not is_by_title(alias) and given.is_other_than(known[alias], alias):
                paper = paper.without(alias)
                conflicts.append((index, alias))
        kept.append(paper)
    return kept, conflicts


def _find_same(paper: Paper, known: Mapping[str, Paper]) -> str | None:
    """Return the id of the stored paper that this one is; None if it is new."""
    matches = ((alias, known[alias]) for alias in paper.aliases if alias in known)
    return next((stored.paper_id for alias, stored in matches if not paper.is_other_than(stored, alias)), None)
