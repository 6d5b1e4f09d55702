"""Upvotes and events of papers with their times, so that a query at any time uses only what was known by then.

``PaperSignals`` holds the upvote snapshots and events of one paper, ``Signals`` those of n papers in flat arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from ranker.errors import InputError
from ranker.types import BoolArray, Float64Array, IndexArray, Int64Array

DAY_SECONDS = 86_400.0
HALF_LIFE_SECONDS = 3 * DAY_SECONDS
"""The weight of an event halves in this time: the papers of a digest are discussed for about a week."""
EVENT_WEIGHTS: Mapping[str, float] = MappingProxyType({"like": 3.0, "save": 2.0, "click": 1.0})
"""The weight that an event adds to a paper's heat, by the event's name in the interchange format."""
VELOCITY_SECONDS = 2 * DAY_SECONDS


@dataclass(frozen=True)
class PaperSignals:
    """The upvote snapshots and events of one paper.

    Attributes:
        snapshot_at: (s,) Unix seconds, ascending.
        snapshot_upvotes: (s,) upvote counts at these times.
        event_at: (e,) Unix seconds, ascending.
        event_weights: (e,) weights of the events, see ``EVENT_WEIGHTS``.
        event_users: (e,) codes of the users; 0 unknown.
        heats: (e,) the paper's heat after each event: the sum of the weights so far, halved every
            ``HALF_LIFE_SECONDS``.
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
        """Return the signals of one paper.

        Only the first event of each name counts for each user, so that a user who clicks often makes no trend. All
        events of unknown users count.

        Args:
            snapshots: (time, upvotes) in any order.
            events: (time, name, code of the user or 0) in any order. Events whose name is not in ``EVENT_WEIGHTS`` are
                ignored.
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

    def without_user(self, code: int) -> "PaperSignals":
        """Return the signals as if the user of this code had never acted."""
        keep = self.event_users != code
        times, weights = self.event_at[keep], self.event_weights[keep]
        changed = {"event_at": times, "event_weights": weights, "event_users": self.event_users[keep]}
        return replace(self, **changed, heats=_running_heat(times, weights))


@dataclass(frozen=True)
class Signals:
    """The signals of n papers.

    Attributes:
        snapshot_starts: (n + 1,) the snapshots of paper i are ``snapshot_starts[i]:snapshot_starts[i + 1]``.
        event_starts: (n + 1,) the events of paper i are ``event_starts[i]:event_starts[i + 1]``.
        snapshot_at, snapshot_upvotes, event_at, event_weights, event_users, heats: As in ``PaperSignals``, of all
            papers one after another.
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
        """Return the signals of the papers, in their order."""

        def joined(name: str) -> Float64Array:
            return np.concatenate([getattr(paper, name) for paper in papers] or [np.empty(0)]).astype(np.float64)

        return cls(
            snapshot_starts=_starts([len(paper.snapshot_at) for paper in papers]),
            snapshot_at=joined("snapshot_at"),
            snapshot_upvotes=joined("snapshot_upvotes"),
            event_starts=_starts([len(paper.event_at) for paper in papers]),
            event_at=joined("event_at"),
            event_weights=joined("event_weights"),
            event_users=np.concatenate([paper.event_users for paper in papers] or [np.empty(0, np.int64)]),
            heats=joined("heats"),
        )

    def __len__(self) -> int:
        return len(self.event_starts) - 1

    def take(self, rows: Sequence[int]) -> "Signals":
        """Return the signals of the papers at ``rows``, in that order."""
        return Signals.of([self.paper(int(row)) for row in rows])

    def paper(self, row: int) -> PaperSignals:
        """Return the signals of one paper, as views of these arrays."""
        snapshots = slice(int(self.snapshot_starts[row]), int(self.snapshot_starts[row + 1]))
        events = slice(int(self.event_starts[row]), int(self.event_starts[row + 1]))
        return PaperSignals(
            self.snapshot_at[snapshots],
            self.snapshot_upvotes[snapshots],
            self.event_at[events],
            self.event_weights[events],
            self.event_users[events],
            self.heats[events],
        )

    def upvotes(self, as_of: float) -> Float64Array:
        """Return the last upvote count of each paper at or before ``as_of``; (n,), NaN if there is none."""
        if not len(self.snapshot_at):
            return np.full(len(self), np.nan)
        return _at(self.snapshot_upvotes, _last_before(self.snapshot_starts, self.snapshot_at, as_of))

    def upvote_velocity(self, as_of: float) -> Float64Array:
        """Return the upvotes per day of each paper over the two days before ``as_of``; (n,).

        The difference is taken between the last snapshot and the last one that is at least two days older than
        ``as_of``, or the first if none is. It is NaN if these are the same snapshot.
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
        """Return the summed decayed weights of each paper's events at or before ``as_of``; (n,), 0 without events.

        Args:
            without_user: Code of a user whose events do not count; 0 for none.
        """
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
                # If all events are the user's own, rounding must not leave a rest.
                heat[counts == np.bincount(rows, minlength=len(self))] = 0.0
        return np.maximum(heat, 0.0)

    @cached_property
    def _event_rows(self) -> IndexArray:
        return np.repeat(np.arange(len(self)), np.diff(self.event_starts))


def stack_signals(parts: Sequence[Signals | None], sizes: Sequence[int]) -> Signals | None:
    """Return the signals of the papers of all parts; None if every part is None.

    Args:
        parts: The signals of each part; None for a part whose papers have no signals.

    Raises:
        InputError: The length of a part is not its size.
    """
    if all(part is None for part in parts):
        return None
    papers: list[PaperSignals] = []
    for part, size in zip(parts, sizes, strict=True):
        if part is not None and len(part) != size:
            raise InputError(f"a part of {size} papers has signals of {len(part)} papers")
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
    """Return how many of each row's times are at or before ``as_of``; (n,), 0 for an ``as_of`` of NaN."""
    seen: BoolArray = times <= as_of
    running = np.concatenate(([0], np.cumsum(seen)))
    return np.asarray(running[starts[1:]] - running[starts[:-1]], dtype=np.intp)


def _last_before(starts: IndexArray, times: Float64Array, as_of: float) -> IndexArray:
    """Return the index of each row's last time at or before ``as_of``; (n,), -1 if there is none."""
    counts = _counts_before(starts, times, as_of)
    return np.where(counts > 0, starts[:-1] + counts - 1, -1)


def _at(values: Float64Array, places: IndexArray) -> Float64Array:
    """Return the values at the places; NaN for a place of -1."""
    return np.append(values, np.nan)[places]


NO_SIGNALS = PaperSignals.of()
"""The signals of a paper without upvotes and events."""
