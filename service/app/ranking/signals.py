"""The trend's raw signals, kept beside the candidates of each digest and brought up to date by what is new."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ranker.signals import NO_SIGNALS, PaperSignals, Signals
from service.app.ports import Transaction
from service.app.ranking.candidates import Candidates
from service.domain.signals import Activity, HeatingEvent

MANY_EVENTS = 2_000
"""After so many new events all signals of a digest are read anew: cheaper than to look through the events."""


@dataclass(frozen=True)
class _Known:
    """What is known of a digest's candidates at one mark.

    Attributes:
        shown: The candidates with signals.
    """

    mark: tuple[int, int]
    activities: Mapping[str, Activity]
    shown: Candidates


class KeptDigest:
    """A digest's candidates, and their signals as far as they are known. Thread safe.

    Args:
        candidates: As built, without signals.
    """

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def with_signals(self, tx: Transaction, mark: tuple[int, int]) -> Candidates:
        """The candidates with signals of the reading transaction, or newer ones that another has read.

        Where nothing is new this reads nothing, else only what is new.

        Args:
            mark: Of the transaction.
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
            # Two threads may have done the same; each result is right for its mark, and the next call sees to the rest.
            self._known = found
        return found.shown


def with_signals(tx: Transaction, candidates: Candidates) -> Candidates:
    """Stored candidates with all their signals, read for one request."""
    return _shown(candidates, tx.signals.find_many([paper.paper_id for paper in candidates.papers]))


def user_code(user_id: str) -> int:
    """The number by which the ranker knows a reader's own events: 64 bits of a hash, never 0."""
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
    # From what was shown: what its matrix has computed so far need not be computed again.
    return _Known(mark, activities, _shown(known.shown, activities))


def _shown(candidates: Candidates, activities: Mapping[str, Activity]) -> Candidates:
    signals = [
        signals_of(activities[paper.paper_id]) if paper.paper_id in activities else NO_SIGNALS
        for paper in candidates.papers
    ]
    return replace(candidates, matrix=candidates.matrix.with_signals(Signals.of(signals)))


def signals_of(activity: Activity) -> PaperSignals:
    """One paper's activity as the ranker reads it."""
    return PaperSignals.of(
        [(seen_at.timestamp(), float(upvotes)) for seen_at, upvotes in activity.snapshots],
        [(at.timestamp(), kind.value, user_code(user_id)) for user_id, kind, at in activity.events],
    )
