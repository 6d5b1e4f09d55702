"""Trend signals of candidates. Those of cached digests are updated with new events only."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ranker.signals import NO_SIGNALS, PaperSignals, Signals
from service.app.ports import Transaction
from service.app.ranking.candidates import Candidates
from service.domain.states import Activity, HeatingEvent

MANY_EVENTS = 2_000
"""After this many new events, reading all signals of a digest again is cheaper than applying the events."""


@dataclass(frozen=True)
class _Known:
    """The signals of a digest's candidates at one mark.

    Attributes:
        mark: See ``Versions``.
        activities: Activity by paper id; papers without any are absent.
        shown: The candidates with these signals.
    """

    mark: tuple[int, int]
    activities: Mapping[str, Activity]
    shown: Candidates


class KeptDigest:
    """Cached candidates of a digest and their signals. Thread safe.

    Args:
        candidates: The candidates without signals.
        generation: Generation of the ``Serving`` in whose spaces they are.
    """

    def __init__(self, candidates: Candidates, generation: int = 0) -> None:
        self.candidates = candidates
        self.generation = generation
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def with_signals(self, tx: Transaction, mark: tuple[int, int]) -> Candidates:
        """Return the candidates with the signals that the transaction sees, or newer ones from another thread.

        Reads only what changed since the last call.

        Args:
            mark: Mark of the transaction, see ``Versions``.
        """
        with self._lock:
            known = self._known
        if known is None:
            found = _read(tx, self.candidates, mark)
        elif known.mark[0] >= mark[0] and known.mark[1] >= mark[1]:
            return known.shown
        else:
            found = _refreshed(tx, self.candidates, known, mark)
        with self._lock:
            # Two threads may read at the same time. Each result is correct for its mark; the next call reads the rest.
            self._known = found
        return found.shown


def with_signals(tx: Transaction, candidates: Candidates) -> Candidates:
    """Return stored candidates with their signals, read for one request."""
    return _shown(candidates, tx.signals.find_many([paper.paper_id for paper in candidates.papers]))


def user_code(user_id: str) -> int:
    """Return the code by which the ranker identifies a user's own events: 64 bits of a hash, never 0."""
    return int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:8], "big", signed=True) or 1


def _read(tx: Transaction, candidates: Candidates, mark: tuple[int, int]) -> _Known:
    activities = tx.signals.find_many([paper.paper_id for paper in candidates.papers])
    return _Known(mark, activities, _shown(candidates, activities))


def _refreshed(tx: Transaction, candidates: Candidates, known: _Known, mark: tuple[int, int]) -> _Known:
    events = tx.signals.events_since(known.mark[1], limit=MANY_EVENTS)
    if len(events) >= MANY_EVENTS:
        return _read(tx, candidates, mark)
    ours = {paper.paper_id for paper in candidates.papers}
    changed = ours.intersection(tx.signals.changed_since(known.mark[0]) if mark[0] != known.mark[0] else ())
    new: dict[str, list[HeatingEvent]] = defaultdict(list)
    for paper_id, event in events:
        if paper_id in ours and paper_id not in changed:
            new[paper_id].append(event)
    if not changed and not new:
        return replace(known, mark=mark)
    activities = {paper_id: activity for paper_id, activity in known.activities.items() if paper_id not in changed}
    activities.update(tx.signals.find_many(sorted(changed)))
    for paper_id, added in new.items():
        before = activities.get(paper_id, Activity())
        activities[paper_id] = replace(before, events=(*before.events, *added))
    # known.shown is reused because its matrix keeps values that were computed lazily.
    return _Known(mark, activities, _shown(known.shown, activities))


def _shown(candidates: Candidates, activities: Mapping[str, Activity]) -> Candidates:
    signals = [
        signals_of(activities[paper.paper_id]) if paper.paper_id in activities else NO_SIGNALS
        for paper in candidates.papers
    ]
    return replace(candidates, matrix=candidates.matrix.with_signals(Signals.of(signals)))


def signals_of(activity: Activity) -> PaperSignals:
    """Return the activity of one paper as the ranker's signals."""
    return PaperSignals.of(
        [(seen_at.timestamp(), float(upvotes)) for seen_at, upvotes in activity.snapshots],
        [(at.timestamp(), kind.value, user_code(user_id)) for user_id, kind, at in activity.events],
    )
