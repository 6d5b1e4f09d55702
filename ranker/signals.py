"""What the crowd did with papers, with times, so that at any moment only what was seen by then counts.

``PaperSignals`` holds one paper's upvote snapshots and events, ``Signals`` those of n papers side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from ranker.errors import InputError
from ranker.types import BoolArray, Float64Array, IndexArray, Int64Array

DAY_SECONDS = 86_400.0
HALF_LIFE_SECONDS = 3 * DAY_SECONDS
"""After three days an event counts half: a digest's papers are talked about for about a week."""
EVENT_WEIGHTS: Mapping[str, float] = MappingProxyType({"like": 3.0, "save": 2.0, "click": 1.0})
"""What an event by one reader adds to a paper's heat, by its name in the interchange format."""
VELOCITY_SECONDS = 2 * DAY_SECONDS


@dataclass(frozen=True)
class PaperSignals:
    """One paper.

    Attributes:
        snapshot_at: (s,) Unix seconds, ascending.
        snapshot_upvotes: (s,) counts seen then.
        event_at: (e,) Unix seconds, ascending.
        event_weights: (e,)
        event_users: (e,) codes of readers; 0 unknown.
        heats: (e,) heat right after each event: weights halved every ``HALF_LIFE_SECONDS``, summed.
    """

    snapshot_at: Float64Array
    snapshot_upvotes: Float64Array
    event_at: Float64Array
    event_weights: Float64Array
    event_users: Int64Array
    heats: Float64Array

    @classmethod
    def of(
        cls, snapshots: Sequence[tuple[float, float]] = (), events: Sequence[tuple[float, str, int]] = ()
    ) -> "PaperSignals":
        """From (time, upvotes) and (time, name, reader's code) in any order.

        Of several events of one name by one reader the first counts: a trend is many readers, not one who clicks often.
        Unknown readers (0) all count. Events of other names than those in ``EVENT_WEIGHTS`` are passed over.
        """
        counted: list[tuple[float, float, int]] = []
        seen: set[tuple[str, int]] = set()
        for at, name, user in sorted(events):
            if name in EVENT_WEIGHTS and (not user or (name, user) not in seen):
                seen.add((name, user))
                counted.append((at, EVENT_WEIGHTS[name], user))
        times = np.array([at for at, _, _ in counted], dtype=np.float64)
        weights = np.array([weight for _, weight, _ in counted], dtype=np.float64)
        ordered = sorted(snapshots)
        return cls(
            snapshot_at=np.array([at for at, _ in ordered], dtype=np.float64),
            snapshot_upvotes=np.array([upvotes for _, upvotes in ordered], dtype=np.float64),
            event_at=times,
            event_weights=weights,
            event_users=np.array([user for _, _, user in counted], dtype=np.int64),
            heats=_running_heat(times, weights),
        )


@dataclass(frozen=True)
class Signals:
    """n papers; row i of the snapshots is ``snapshot_starts[i]:snapshot_starts[i + 1]``, likewise of the events.

    Attributes:
        snapshot_starts: (n + 1,)
        event_starts: (n + 1,)
        snapshot_at, snapshot_upvotes, event_at, event_weights, event_readers, heats: As in ``PaperSignals``.
    """

    snapshot_starts: IndexArray
    snapshot_at: Float64Array
    snapshot_upvotes: Float64Array
    event_starts: IndexArray
    event_at: Float64Array
    event_weights: Float64Array
    event_users: Int64Array
    heats: Float64Array

    @classmethod
    def of(cls, papers: Sequence[PaperSignals]) -> "Signals":
        """The papers in their order."""

        def joined(name: str, dtype: type) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            return np.concatenate([getattr(paper, name) for paper in papers] or [np.empty(0)]).astype(dtype)

        return cls(
            snapshot_starts=_starts([len(paper.snapshot_at) for paper in papers]),
            snapshot_at=joined("snapshot_at", np.float64),
            snapshot_upvotes=joined("snapshot_upvotes", np.float64),
            event_starts=_starts([len(paper.event_at) for paper in papers]),
            event_at=joined("event_at", np.float64),
            event_weights=joined("event_weights", np.float64),
            event_users=np.concatenate([paper.event_users for paper in papers] or [np.empty(0, np.int64)]),
            heats=joined("heats", np.float64),
        )

    def __len__(self) -> int:
        return len(self.event_starts) - 1

    def take(self, rows: Sequence[int]) -> "Signals":
        """The papers at ``rows``, in that order."""
        return Signals.of([self.paper(int(row)) for row in rows])

    def paper(self, row: int) -> PaperSignals:
        """One paper's signals, sharing the memory."""
        seen = slice(int(self.snapshot_starts[row]), int(self.snapshot_starts[row + 1]))
        done = slice(int(self.event_starts[row]), int(self.event_starts[row + 1]))
        return PaperSignals(
            self.snapshot_at[seen],
            self.snapshot_upvotes[seen],
            self.event_at[done],
            self.event_weights[done],
            self.event_users[done],
            self.heats[done],
        )

    def upvotes(self, as_of: float) -> Float64Array:
        """(n,) the count last seen at or before ``as_of``; NaN where none was."""
        if not len(self.snapshot_at):
            return np.full(len(self), np.nan)
        return _at(self.snapshot_upvotes, _last_before(self.snapshot_starts, self.snapshot_at, as_of))

    def upvote_velocity(self, as_of: float) -> Float64Array:
        """(n,) upvotes per day from what was seen two days before ``as_of`` (or first) to what was seen last.

        NaN where nothing new was seen within these two days.
        """
        if not len(self.snapshot_at):
            return np.full(len(self), np.nan)
        now = _last_before(self.snapshot_starts, self.snapshot_at, as_of)
        before = _last_before(self.snapshot_starts, self.snapshot_at, as_of - VELOCITY_SECONDS)
        before = np.where((now >= 0) & (before < 0), self.snapshot_starts[:-1], before)
        days = (_at(self.snapshot_at, now) - _at(self.snapshot_at, before)) / DAY_SECONDS
        days[~(days > 0)] = np.nan
        gained = _at(self.snapshot_upvotes, now) - _at(self.snapshot_upvotes, before)
        return np.asarray(gained / np.maximum(days, 0.25))

    def heat(self, as_of: float, without_user: int = 0) -> Float64Array:
        """(n,) decayed weight of what readers did at or before ``as_of``, without one of them; 0 where nothing."""
        if not len(self.event_at):
            return np.zeros(len(self))
        counts = _counts_before(self.event_starts, self.event_at, as_of)
        known = counts > 0
        last = (self.event_starts[:-1] + counts - 1)[known]
        heat = np.zeros(len(self))
        heat[known] = self.heats[last] * _decay(as_of - self.event_at[last])
        if without_user:
            own = np.flatnonzero((self.event_users == without_user) & (self.event_at <= as_of))
            if len(own):
                rows = self._event_rows[own]
                worth = self.event_weights[own] * _decay(as_of - self.event_at[own])
                heat -= np.bincount(rows, weights=worth, minlength=len(self))
                # Where all was the reader's own, rounding must not leave a trace of it.
                heat[counts == np.bincount(rows, minlength=len(self))] = 0.0
        return np.maximum(heat, 0.0)

    @cached_property
    def _event_rows(self) -> IndexArray:
        return np.repeat(np.arange(len(self)), np.diff(self.event_starts))


def stack_signals(parts: Sequence[Signals | None], sizes: Sequence[int]) -> Signals | None:
    """All papers of all parts; None where no part knows anything.

    Raises:
        InputError: A part of another length than its size.
    """
    if all(part is None for part in parts):
        return None
    papers: list[PaperSignals] = []
    for part, size in zip(parts, sizes, strict=True):
        if part is not None and len(part) != size:
            raise InputError(f"signals of {len(part)} papers stand beside {size} papers")
        papers.extend([NO_SIGNALS] * size if part is None else [part.paper(row) for row in range(size)])
    return Signals.of(papers)


def _running_heat(times: Float64Array, weights: Float64Array) -> Float64Array:
    heats = np.empty(len(times))
    heat, before = 0.0, 0.0
    for i, (at, weight) in enumerate(zip(times.tolist(), weights.tolist(), strict=True)):
        heat = heat * 2.0 ** (-(at - before) / HALF_LIFE_SECONDS) + weight if i else weight
        heats[i], before = heat, at
    return heats


def _decay(ages: Float64Array) -> Float64Array:
    return np.asarray(np.exp2(-ages / HALF_LIFE_SECONDS))


def _starts(sizes: Sequence[int]) -> IndexArray:
    return np.concatenate(([0], np.cumsum(np.asarray(sizes, dtype=np.intp)))).astype(np.intp)


def _counts_before(starts: IndexArray, times: Float64Array, as_of: float) -> IndexArray:
    """(n,) how many of each row's ascending times lie at or before ``as_of``; 0 for an ``as_of`` of NaN."""
    seen: BoolArray = times <= as_of
    running = np.concatenate(([0], np.cumsum(seen)))
    return np.asarray(running[starts[1:]] - running[starts[:-1]], dtype=np.intp)


def _last_before(starts: IndexArray, times: Float64Array, as_of: float) -> IndexArray:
    """(n,) where each row's last time at or before ``as_of`` stands; -1 where there is none."""
    counts = _counts_before(starts, times, as_of)
    return np.where(counts > 0, starts[:-1] + counts - 1, -1)


def _at(values: Float64Array, places: IndexArray) -> Float64Array:
    """(n,) the values at the places; NaN at -1."""
    return np.append(values, np.nan)[places]


NO_SIGNALS = PaperSignals.of()
"""Of a paper that nobody touched and no source counts."""
