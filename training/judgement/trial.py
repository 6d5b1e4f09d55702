"""The slates of a canary and of the serving bundle, with their users and the reactions to them, as columns."""

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
class Served:
    """s slates served to u users, and r reactions to them.

    Attributes:
        user_count: u, also counting users without slates.
        users: (s,) user of each slate.
        fell_back: (s,) whether each slate was made without the bundle, because it was not usable or too slow.
        slates: (r,) slate of each reaction.
        places: (r,) one-based place of the paper that the user reacted to.
    """

    user_count: int
    users: IndexArray
    fell_back: BoolArray
    slates: IndexArray
    places: IndexArray

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
        return np.bincount(self.users, minlength=self.user_count)

    def reaction_counts(self) -> IndexArray:
        """Return (u,) the number of reactions of each user."""
        return np.bincount(self.users[self.slates], minlength=self.user_count)

    def _means(self, by_slate: Float64Array) -> Float64Array:
        count = self.slate_counts()
        sums = np.bincount(self.users, weights=by_slate, minlength=self.user_count)
        return np.asarray(np.divide(sums, count, out=np.full(len(count), np.nan), where=count > 0))


@dataclass(frozen=True)
class Trial:
    """A canary beside the serving bundle, on u users.

    Attributes:
        canary: (u,) whether each user gets the canary.
        complained: (u,) whether each user complained about a paper since the canary began.
        now: Slates since the canary began.
        before: Slates from before, which tell how much each user reacts anyway.
        left_out: Reason to the number of slates left out for it.
        log: The slates that were shown, without features; None if there are none. The position bias is learned from it.
    """

    canary: BoolArray
    complained: BoolArray
    now: Served
    before: Served
    left_out: Mapping[str, int]
    log: SlateLog | None = None

    def values(self, examination: Examination) -> Float64Array:
        """Return (u,) the value of each user's slates since the canary began, adjusted; NaN for users without slates.

        Users differ more than bundles do. So the part of a value that the user's value before the canary predicts is
        taken out, by a regression over the users of both arms (Deng, Xu, Kohavi and Walker 2013, CUPED). The canary
        cannot have changed what was before, so this moves no difference in expectation, and makes it more certain.
        """
        values, before = self.now.values(examination), self.before.values(examination)
        known = np.isfinite(values) & np.isfinite(before)
        if known.sum() < _LEAST_ADJUSTED or not np.ptp(before[known]):
            return values
        centred = before[known] - before[known].mean()
        slope = float(centred @ values[known]) / float(centred @ centred)
        adjusted = values.copy()
        adjusted[known] -= slope * centred
        return adjusted


_LEAST_ADJUSTED = 30
"""Least number of users for the regression on earlier values."""
FELL_BACK = frozenset({"model_unavailable", "overload"})
"""Fallback reasons that a bundle can cause. New users and empty digests are the same for every bundle."""


SCORED = "none"
"""The fallback reason of slates that a bundle scored."""


@dataclass(frozen=True)
class ServedSlate:
    """A slate as logged, with its fallback reason and the Unix seconds at which it was made."""

    slate: LoggedSlate
    fallback_reason: str
    created_at: float


class TrialBuilder:
    """Collects the slates and events of users one by one; ``built`` returns the columns.

    Args:
        canary: Version of the canary.
        serving: Version of the bundle that serves the other users.
        since: Unix seconds from which slates are compared: the canary began, or its share changed.
        began: Unix seconds at which the canary began, ``since`` if None. Slates between the two count for nothing: the
            canary has changed what some of the users were served.
    """

    def __init__(self, canary: str, serving: str, *, since: float, began: float | None = None) -> None:
        self._versions = {True: canary, False: serving}
        self._since = since
        self._began = since if began is None else began
        self._canary: list[bool] = []
        self._complained: list[bool] = []
        self._now, self._before = _Slates(), _Slates()
        self._left_out: Counter[str] = Counter()
        self._log = LogBuilder(None, shown_only=True)

    def add(self, slates: Sequence[ServedSlate], events: Iterable[LoggedEvent], *, in_canary: bool) -> None:
        """Add one user, with all the user's events in the order of arrival."""
        user, ours, known = len(self._canary), [each.slate for each in slates], list(events)
        now: list[LoggedSlate] = []
        for served, outcome in zip(slates, outcomes_of(ours, known), strict=True):
            is_new = served.created_at >= self._since
            if not is_new and served.created_at >= self._began:
                continue
            if problem := self._problem(served, in_canary=in_canary):
                self._left_out[problem] += is_new
                continue
            part = self._now if is_new else self._before
            part.add(user, np.flatnonzero(outcome.grades > 0) + 1, fell_back=served.fallback_reason in FELL_BACK)
            now += [served.slate] * is_new
        self._log.add([each.slate for each in slates if each.fallback_reason == SCORED], known)
        self._canary.append(in_canary)
        ids = {slate.slate_id for slate in now}
        complaints = (event for event in known if event.kind == "complaint")
        self._complained.append(any(each.slate_id in ids or each.occurred_at >= self._since for each in complaints))

    def built(self) -> Trial:
        """Return the columns."""
        try:
            log = self._log.built()
        except TrainingError:  # no slate was shown
            log = None
        return Trial(
            canary=np.array(self._canary, dtype=np.bool_),
            complained=np.array(self._complained, dtype=np.bool_),
            now=self._now.built(len(self._canary)),
            before=self._before.built(len(self._canary)),
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
        if found == own or served.created_at < self._since:
            return ""
        return f"ranked by {found}, although the user gets {own}"


class _Slates:
    """Slates and reactions as they are added."""

    def __init__(self) -> None:
        self._slates: list[tuple[int, bool]] = []
        self._reactions: list[tuple[int, int]] = []

    def add(self, user: int, places: IndexArray, *, fell_back: bool) -> None:
        self._reactions += [(len(self._slates), place) for place in places.tolist()]
        self._slates.append((user, fell_back))

    def built(self, user_count: int) -> Served:
        users, fell_back = np.array(self._slates, dtype=np.intp).reshape(-1, 2).T
        slates, places = np.array(self._reactions, dtype=np.intp).reshape(-1, 2).T
        return Served(user_count, users, fell_back.astype(np.bool_), slates, places)
