"""What a canary and the bundle beside it earned, as columns: users, their slates, and the reactions to these."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ranker.types import BoolArray, Float64Array, IndexArray
from training.errors import TrainingError
from training.feedback.click_groups import LEAST_EXAMINATION_PROPENSITY
from training.feedback.examination import Examination
from training.feedback.joining import LoggedEvent, LoggedSlate, outcomes_of
from training.feedback.log import LogBuilder, SlateLog


@dataclass(frozen=True)
class Trial:
    """u users, s slates served to them and r reactions.

    Attributes:
        canary: (u,) whether each user gets the canary.
        complained: (u,) whether each user complained about a paper.
        users: (s,) user of each slate.
        fell_back: (s,) whether each slate was made without the bundle, because it was not usable or too slow.
        slates: (r,) slate of each reaction.
        places: (r,) one-based place of the paper that the user reacted to.
        left_out: Reason to the number of slates left out for it.
        log: The slates that were shown, of both bundles and without features; None if there are none. The position bias
            is learned from it.
    """

    canary: BoolArray
    complained: BoolArray
    users: IndexArray
    fell_back: BoolArray
    slates: IndexArray
    places: IndexArray
    left_out: Mapping[str, int]
    log: SlateLog | None = None

    def values(self, examination: Examination) -> Float64Array:
        """Return (u,) the value of each user's slates; NaN for users without slates.

        The value of a slate is the sum over its reactions of the discount of the place, 1 / log2(place + 1), divided by
        the examination propensity of the place. In expectation this is the discounted sum of what the user wants,
        however far down the user reads (Joachims, Swaminathan and Schnabel 2017). A user's value is the mean over the
        user's slates, so that frequent users do not count more than others.
        """
        seen = np.maximum(examination.examination_propensities(self.places), LEAST_EXAMINATION_PROPENSITY)
        worth = 1 / np.log2(self.places + 1.0) / seen
        by_slate = np.bincount(self.slates, weights=worth, minlength=len(self.users))
        return self._means(np.asarray(by_slate, dtype=np.float64))

    def fallback_shares(self) -> Float64Array:
        """Return (u,) the share of each user's slates that were made without the bundle; NaN without slates."""
        return self._means(self.fell_back.astype(np.float64))

    def slate_counts(self) -> IndexArray:
        """Return (u,) the number of slates of each user."""
        return np.bincount(self.users, minlength=len(self.canary))

    def reactions(self, *, of_canary: bool) -> int:
        """Return the number of reactions of the users of one arm."""
        return int((self.canary[self.users[self.slates]] == of_canary).sum())

    def _means(self, by_slate: Float64Array) -> Float64Array:
        count = self.slate_counts()
        sums = np.bincount(self.users, weights=by_slate, minlength=len(self.canary))
        return np.asarray(np.divide(sums, count, out=np.full(len(count), np.nan), where=count > 0))


FELL_BACK = frozenset({"model_unavailable", "overload"})
"""Fallback reasons that a bundle can cause. New users and empty digests are the same for every bundle."""


SCORED = "none"
"""The fallback reason of slates that a bundle scored."""


@dataclass(frozen=True)
class ServedSlate:
    """A slate as logged, with its fallback reason."""

    slate: LoggedSlate
    fallback_reason: str


class TrialBuilder:
    """Collects the slates and events of users one by one; ``built`` returns the columns.

    Args:
        canary: Version of the canary.
        serving: Version of the bundle that serves the other users.
        since: Unix seconds at which the canary began. Earlier slates must not be added.
    """

    def __init__(self, canary: str, serving: str, *, since: float) -> None:
        self._versions = {True: canary, False: serving}
        self._since = since
        self._canary: list[bool] = []
        self._complained: list[bool] = []
        self._slates: list[tuple[int, bool]] = []
        self._reactions: list[tuple[int, int]] = []
        self._left_out: Counter[str] = Counter()
        self._log = LogBuilder(None, shown_only=True)

    def add(self, slates: Sequence[ServedSlate], events: Iterable[LoggedEvent], *, in_canary: bool) -> None:
        """Add one user, with all the user's events in the order of arrival."""
        user, ours, known = len(self._canary), [each.slate for each in slates], list(events)
        ids = {slate.slate_id for slate in ours}
        for served, outcome in zip(slates, outcomes_of(ours, known), strict=True):
            if problem := self._problem(served, in_canary=in_canary):
                self._left_out[problem] += 1
                continue
            self._reactions += [(len(self._slates), place + 1) for place in np.flatnonzero(outcome.grades > 0).tolist()]
            self._slates.append((user, served.fallback_reason in FELL_BACK))
        self._log.add([each.slate for each in slates if each.fallback_reason == SCORED], known)
        self._canary.append(in_canary)
        complaints = (event for event in known if event.kind == "complaint")
        self._complained.append(any(each.slate_id in ids or each.occurred_at >= self._since for each in complaints))

    def built(self) -> Trial:
        """Return the columns."""
        users, fell_back = np.array(self._slates, dtype=np.intp).reshape(-1, 2).T
        slates, places = np.array(self._reactions, dtype=np.intp).reshape(-1, 2).T
        try:
            log = self._log.built()
        except TrainingError:  # no slate was shown
            log = None
        return Trial(
            canary=np.array(self._canary, dtype=np.bool_),
            complained=np.array(self._complained, dtype=np.bool_),
            users=users,
            fell_back=fell_back.astype(np.bool_),
            slates=slates,
            places=places,
            left_out=dict(self._left_out),
            log=log,
        )

    def _problem(self, served: ServedSlate, *, in_canary: bool) -> str:
        """Return the reason why the slate says nothing about the bundle of its user; an empty text if it does."""
        if served.fallback_reason in FELL_BACK:
            return ""
        if served.fallback_reason != SCORED:
            return f"not ranked by a bundle ({served.fallback_reason})"
        own, found = self._versions[in_canary], served.slate.model_version
        return "" if found == own else f"ranked by {found}, although the user gets {own}"
