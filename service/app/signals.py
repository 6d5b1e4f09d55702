"""The trend's raw signals, kept beside the candidates of each digest and brought up to date by what is new."""

import hashlib
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ranker.signals import NO_SIGNALS, PaperSignals, Signals
from service.app.matrices import Candidates
from service.app.ports import Transaction
from service.domain.signals import Activity, HeatingEvent

MANY_EVENTS = 2_000
"""After so many new events all signals of a digest are read anew: cheaper than to look through the events."""


@dataclass(frozen=True)
class _Kept:
    """What is known of one digest's candidates at one mark.

    Attributes:
        source: The candidates as built, without signals.
        shown: The same with signals.
    """

    source: Candidates
    mark: tuple[int, int]
    activities: Mapping[str, Activity]
    shown: Candidates


class SignalCache:
    """Candidates with their signals as of the reading transaction. Thread safe; at most ``size`` digests."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def attach(self, tx: Transaction, key: str, candidates: Candidates, mark: tuple[int, int]) -> Candidates:
        """The candidates with signals. Where nothing is new this reads nothing, else only what is new.

        Args:
            mark: Of the transaction.
        """
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept.source is candidates and kept.mark == mark:
            return kept.shown
        if kept is None or kept.source is not candidates:
            kept = _read(tx, candidates, mark)
        else:
            kept = _refreshed(tx, kept, mark)
        with self._lock:
            # Two threads may have done the same; each result is right for its mark, and the next call sees to the rest.
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return kept.shown


def with_signals(tx: Transaction, candidates: Candidates) -> Candidates:
    """Stored candidates with all their signals, read for one request."""
    return _shown(candidates, tx.signals.find_many([paper.paper_id for paper in candidates.papers]))


def reader_code(user_id: str) -> int:
    """The number by which the ranker knows a reader's own events: 64 bits of a hash, never 0."""
    return int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:8], "big", signed=True) or 1


def _read(tx: Transaction, candidates: Candidates, mark: tuple[int, int]) -> _Kept:
    activities = tx.signals.find_many([paper.paper_id for paper in candidates.papers])
    return _Kept(candidates, mark, activities, _shown(candidates, activities))


def _refreshed(tx: Transaction, kept: _Kept, mark: tuple[int, int]) -> _Kept:
    events = tx.signals.events_since(kept.mark[1], limit=MANY_EVENTS)
    if len(events) >= MANY_EVENTS:
        return _read(tx, kept.source, mark)
    ours = {paper.paper_id for paper in kept.source.papers}
    changed = ours.intersection(tx.signals.changed_since(kept.mark[0]) if mark[0] != kept.mark[0] else ())
    new: dict[str, list[HeatingEvent]] = defaultdict(list)
    for paper_id, event in events:
        if paper_id in ours and paper_id not in changed:
            new[paper_id].append(event)
    if not changed and not new:
        return replace(kept, mark=mark)
    activities = {paper_id: activity for paper_id, activity in kept.activities.items() if paper_id not in changed}
    activities.update(tx.signals.find_many(sorted(changed)))
    for paper_id, added in new.items():
        before = activities.get(paper_id, Activity())
        activities[paper_id] = replace(before, events=(*before.events, *added))
    # From what was shown: what its matrix has computed so far need not be computed again.
    return _Kept(kept.source, mark, activities, _shown(kept.shown, activities))


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
        [(at.timestamp(), kind.value, reader_code(user_id)) for user_id, kind, at in activity.events],
    )
