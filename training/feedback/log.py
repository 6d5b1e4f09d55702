"""Collects slates and their outcomes as columns, and counts the slates that cannot be used."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ranker.explore import read_exploration
from ranker.features import SCHEMA
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray
from training.dates import END_OF_TIME, START_OF_TIME
from training.errors import TrainingError
from training.feedback.joining import LoggedEvent, LoggedSlate, Outcome, outcomes_of


@dataclass(frozen=True)
class SlateLog:
    """s slates with n papers in all. The papers of a slate stand together, in the order shown.

    Attributes:
        users: (s,) user numbers from 0.
        lengths: (s,) number of papers of the slate as served.
        shares: (s,) share of exploration, see ``ranker.explore``.
        depths: (s,) one-based place of the lowest paper that was shown.
        slates: (n,) slate number of each paper, ascending.
        places: (n,) one-based places as shown.
        places_before: (n,) one-based places before exploration.
        shown: (n,) whether each paper was shown.
        grades: (n,) see ``training.data.reactions``.
        features: (n, len(SCHEMA)) float32 as logged; (n, 0) if they were dropped.
        left_out: Reason to the number of slates left out for it.
    """

    users: IndexArray
    lengths: IndexArray
    shares: Float64Array
    depths: IndexArray
    slates: IndexArray
    places: IndexArray
    places_before: IndexArray
    shown: BoolArray
    grades: IndexArray
    features: Float32Array
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.users)

    @property
    def user_count(self) -> int:
        """Number of users with a slate in the log."""
        return len(np.unique(self.users))

    @property
    def reacted(self) -> BoolArray:
        """(n,) whether each paper was liked, saved or clicked."""
        return np.asarray(self.grades > 0)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all columns."""
        digest = hashlib.sha256()
        for column in vars(self).values():
            if isinstance(column, np.ndarray):
                digest.update(f"{column.dtype.str}{column.shape}".encode())
                digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


class LogBuilder:
    """Collects slates and events user by user; ``built`` returns the columns.

    Args:
        features_version: Only slates with this version of features are taken. None takes slates of all versions and
            drops their features.
        since: Unix seconds; slates as of an earlier time are left out.
        until: Unix seconds; slates as of this time or later are left out, and so are events at or after it.
        shown_only: Keep only shown papers: enough for learning, not for judging.
    """

    def __init__(
        self,
        features_version: str | None,
        *,
        since: float = START_OF_TIME,
        until: float = END_OF_TIME,
        shown_only: bool = False,
    ) -> None:
        self._features_version = features_version
        self._since, self._until = since, until
        self._shown_only = shown_only
        self._left_out: Counter[str] = Counter()
        self._slates: list[tuple[int, int, float, int]] = []
        self._papers: list[tuple[IndexArray | BoolArray, ...]] = []
        self._features: list[Float32Array] = []
        self._user_count = 0

    def add(self, slates: Sequence[LoggedSlate], events: Iterable[LoggedEvent]) -> None:
        """Add all slates of one user, and the user's events in the order of arrival."""
        seen = [event for event in events if not event.occurred_at >= self._until]
        for slate, outcome in zip(slates, outcomes_of(slates, seen), strict=True):
            self._take(slate, outcome)
        self._user_count += 1

    def built(self) -> SlateLog:
        """Return the columns of all slates taken.

        Raises:
            TrainingError: No slate was taken; the message gives the reasons.
        """
        if not self._slates:
            why = "; ".join(f"{reason} ({count} slates)" for reason, count in self._left_out.most_common())
            raise TrainingError(f"no slate can be used: {why or 'no slate was served to a known user'}")
        numbers, lengths, shares, depths = (np.array(column) for column in zip(*self._slates, strict=True))
        users = np.unique(numbers, return_inverse=True)[1]
        places, before, shown, grades = (np.concatenate(column) for column in zip(*self._papers, strict=True))
        sizes = [len(part) for part in self._features]
        return SlateLog(
            users=users,
            lengths=lengths,
            shares=shares,
            depths=depths,
            slates=np.repeat(np.arange(len(sizes)), sizes),
            places=places,
            places_before=before,
            shown=shown,
            grades=grades,
            features=np.concatenate(self._features),
            left_out=dict(self._left_out),
        )

    def _take(self, slate: LoggedSlate, outcome: Outcome) -> None:
        logged = read_exploration(slate.action_propensities)
        # The features of a paper are those of its interest, so papers of different sections cannot be compared.
        problem = "in sections by interest" if slate.has_sections else self._problem(slate, outcome)
        if problem or logged is None:
            self._left_out[problem or "explored in a way unknown to this version"] += 1
            return
        count = len(slate.paper_ids)
        kept = np.flatnonzero(outcome.shown) if self._shown_only else np.arange(count)
        depth = int(np.flatnonzero(outcome.shown)[-1]) + 1
        self._slates.append((self._user_count, count, logged.share, depth))
        columns = (np.arange(count) + 1, logged.places_before + 1, outcome.shown, outcome.grades)
        self._papers.append(tuple(column[kept] for column in columns))
        self._features.append(slate.features[kept, : 0 if self._features_version is None else None])

    def _problem(self, slate: LoggedSlate, outcome: Outcome) -> str:
        """Return the reason why the slate cannot be used; an empty text if it can."""
        if not self._since <= slate.as_of < self._until:
            return "outside the given times"
        if not outcome.shown.any():
            return "no paper shown (neither a sent event nor an impression)"
        return "" if self._features_version is None else self._features_problem(slate, self._features_version)

    @staticmethod
    def _features_problem(slate: LoggedSlate, wanted: str) -> str:
        if not slate.features_version:
            is_named = slate.features.shape[1] == 0
            return "not scored by a model" if is_named else "served by an older version, without a features_version"
        if slate.features_version != wanted:
            return f"features of another bundle (ranked by {slate.model_version})"
        if slate.features.shape[1] != len(SCHEMA):
            return "features pruned" if slate.features.shape[1] == 0 else "features of another schema"
        return ""
