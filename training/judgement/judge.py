"""Judges a canary: promote it, take it back, or wait for more data."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranker.types import BoolArray, Float64Array
from training.checks import Check, Outcome, overall
from training.errors import TrainingError
from training.feedback.examination import Examination, estimate_examination
from training.judgement.calls import Calls
from training.judgement.rules import AssignmentRules, JudgementRules, LatencyRules, ReactionRules, ShareRules
from training.judgement.sequential import (
    AnytimeInterval,
    Estimate,
    confidence_sequence,
    count_share,
    difference,
    log_ratio,
    mean_of,
    share_of,
)
from training.judgement.trial import Trial

_TAIL = 0.01
"""Share of the calls above the 99th percentile."""


class Verdict(enum.Enum):
    """What to do with a canary."""

    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    WAIT = "wait"


@dataclass(frozen=True)
class Judgement:
    """A verdict with the checks that led to it."""

    verdict: Verdict
    checks: tuple[Check, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the judgement for JSON."""
        return {"verdict": self.verdict.value, "checks": [check.as_dict() for check in self.checks]}


@dataclass(frozen=True)
class Facts:
    """Everything that a judgement looks at.

    Attributes:
        share: Share of the users that gets the canary, above 0 and below 1.
        days: Days since the canary began.
        position_bias: Exponent of the examination propensities; None learns it from the explored slates.
        calls: Calls of the canary and of the serving bundle; None if no metrics were read.
        load_problem: Why a server could not load the canary; empty if all could.
    """

    trial: Trial
    share: float
    days: float
    position_bias: float | None = None
    calls: tuple[Calls, Calls] | None = None
    load_problem: str = ""


def judge(facts: Facts, rules: JudgementRules) -> Judgement:
    """Judge a canary by everything that happened since it began.

    It may be called at any time and as often as wanted: the intervals hold at all looks together. A failed check takes
    the canary back. It is promoted only if every required check has passed, and waits otherwise.
    """
    trial = facts.trial
    fallbacks, complaints = trial.now.fallback_shares(), trial.complained.astype(np.float64)
    checks = (
        loading_check(facts.load_problem),
        reactions_check(facts, rules.reactions),
        shares_check("fallbacks", fallbacks, trial.canary, rules.fallbacks, rules.reactions.least_users),
        shares_check("complaints", complaints, trial.canary, rules.complaints, rules.reactions.least_users),
        errors_check(facts.calls, rules.errors, rules.latency.least_calls),
        latency_check(facts.calls, rules.latency),
        assignment_check(trial, facts.share, rules.assignment, rules.reactions.least_users),
    )
    return Judgement(_VERDICTS[overall(checks)], checks)


_VERDICTS: Mapping[Outcome, Verdict] = {
    Outcome.PASSED: Verdict.PROMOTE,
    Outcome.FAILED: Verdict.ROLL_BACK,
    Outcome.INCONCLUSIVE: Verdict.WAIT,
}


def loading_check(problem: str) -> Check:
    """Return the check of loading: failed if a server could not load the canary."""
    if problem:
        return Check("loading", Outcome.FAILED, f"a server cannot load the canary: {problem}")
    return Check("loading", Outcome.PASSED, "no server reported a problem")


def reactions_check(facts: Facts, rules: ReactionRules) -> Check:
    """Compare the reactions per slate, freed of position bias: passed if the canary's are surely more, failed if less.

    The mean of ``Trial.values`` is compared, with users as the unit.
    """
    trial = facts.trial
    arms = _arms(trial.canary)
    has_slates = trial.now.slate_counts() > 0
    users = {name: int((arm & has_slates).sum()) for name, arm in arms.items()}
    reactions = {name: int(trial.now.reaction_counts()[arm].sum()) for name, arm in arms.items()}
    figures: dict[str, Any] = {
        "users": users,
        "reactions": reactions,
        "slates": len(trial.now.users),
        "left_out": dict(trial.left_out),
        "days": round(facts.days, 2),
    }
    try:
        examination = _examination(facts, users, reactions, rules)
    except TrainingError as error:
        return Check("reactions", Outcome.INCONCLUSIVE, str(error), figures)
    values = trial.values(examination)
    new, old = (mean_of(values[arm & has_slates]) for arm in arms.values())
    figures |= {
        "examination": vars(examination),
        "value_per_slate": {"canary": round(new.mean, 6), "serving": round(old.mean, 6)},
    }
    gain = _gain(new, old, rules)
    outcome, words = _outcome_of(gain, facts.days, rules)
    return Check("reactions", outcome, words, {**figures, "gain": gain.as_dict()})


def _examination(
    facts: Facts, users: Mapping[str, int], reactions: Mapping[str, int], rules: ReactionRules
) -> Examination:
    """Return the position bias; raise TrainingError if there are too few data to compare the sides."""
    wanted = (("users with slates", users, rules.least_users), ("reactions", reactions, rules.least_reactions))
    for what, counts, least in wanted:
        if min(counts.values()) < least:
            raise TrainingError(_few(counts, what, least))
    if facts.position_bias is not None:
        return Examination.given(facts.position_bias)
    if facts.trial.log is None:
        raise TrainingError(
            "no slate is known to have been shown, so the position bias cannot be learned; give --position-bias"
        )
    return estimate_examination(facts.trial.log)


def _gain(new: Estimate, old: Estimate, rules: ReactionRules) -> AnytimeInterval:
    """Return the relative gain of the canary."""
    # The adjustment by earlier values may take away more than there is, where there is little.
    if min(new.mean, old.mean) <= 0:
        return AnytimeInterval(0.0, -1.0, math.inf)
    effect = math.log1p(rules.expected_gain)
    logs = confidence_sequence(log_ratio(new, old), alpha=rules.error_chance, effect=effect)
    return AnytimeInterval(*map(math.expm1, logs))


def _outcome_of(gain: AnytimeInterval, days: float, rules: ReactionRules) -> tuple[Outcome, str]:
    interval = f"gain {100 * gain.mean:+.1f} % ({100 * gain.low:+.1f} % to {100 * gain.high:+.1f} %)"
    if gain.high < 0:
        return Outcome.FAILED, f"the canary earns less: {interval}"
    if gain.low <= 0:
        return Outcome.INCONCLUSIVE, f"the canary may earn less or more: {interval}"
    if days < rules.least_days:
        return (
            Outcome.INCONCLUSIVE,
            f"the canary earns more, but has run {days:.1f} of {rules.least_days:g} days: {interval}",
        )
    return Outcome.PASSED, f"the canary earns more: {interval}"


def shares_check(name: str, values: Float64Array, canary: BoolArray, rules: ShareRules, least_users: int) -> Check:
    """Compare the means of shares: failed if the canary's is surely above the accepted rise.

    It passes if the estimated rise is accepted, which is less than being sure of it. To be sure that a rare event did
    not become more frequent takes thousands of users.

    Args:
        values: (users,) a share of each user, 0 to 1; NaN leaves the user out.
        canary: (users,) whether each user gets the canary.
    """
    known = np.isfinite(values)
    parts = {arm: values[chosen & known] for arm, chosen in _arms(canary).items()}
    users = {arm: len(part) for arm, part in parts.items()}
    if min(users.values()) < least_users:
        reason = (
            f"{users['canary']} users of the canary and {users['serving']} beside it; {least_users} are needed of each"
        )
        return Check(name, Outcome.INCONCLUSIVE, reason, {"users": users}, rules.required)
    shares = {arm: share_of(part) for arm, part in parts.items()}
    return _rise_check(name, shares, {"users": users}, rules)


def errors_check(calls: tuple[Calls, Calls] | None, rules: ShareRules, least_calls: int) -> Check:
    """Compare the shares of failed rankings, as ``shares_check`` does; calls are the unit."""
    if calls is None:
        return Check("errors", Outcome.INCONCLUSIVE, _NOT_MEASURED, required=rules.required)
    totals = {"canary": calls[0].total, "serving": calls[1].total}
    if min(totals.values()) < least_calls:
        reason = _few(totals, "rankings", least_calls)
        return Check("errors", Outcome.INCONCLUSIVE, reason, {"calls": totals}, rules.required)
    shares = {arm: count_share(each.failed, each.total) for arm, each in zip(totals, calls, strict=True)}
    return _rise_check("errors", shares, {"calls": totals}, rules)


def latency_check(calls: tuple[Calls, Calls] | None, rules: LatencyRules) -> Check:
    """Compare the tails of the ranking times: failed if the canary's is surely too long.

    The limit is the serving bundle's 99th percentile times the accepted ratio. The canary may exceed it in one call of
    a hundred. It passes if it does not exceed it more often, and fails if it surely does.
    """
    if calls is None:
        return Check("latency", Outcome.INCONCLUSIVE, _NOT_MEASURED, required=rules.required)
    new, old = (each.seconds for each in calls)
    totals = {"canary": new.total, "serving": old.total}
    if min(totals.values()) < max(rules.least_calls, 1):
        reason = _few(totals, "rankings", rules.least_calls)
        return Check("latency", Outcome.INCONCLUSIVE, reason, {"calls": totals}, rules.required)
    limit = old.quantile(1 - _TAIL) * rules.largest_ratio
    found = confidence_sequence(count_share(new.above(limit), new.total), alpha=rules.error_chance, effect=_TAIL)
    tails = {"canary": new.quantile(1 - _TAIL), "serving": old.quantile(1 - _TAIL)}
    figures = {
        "calls": totals,
        "p99_seconds": {arm: round(seconds, 6) for arm, seconds in tails.items()},
        "limit_seconds": round(limit, 6),
        "share_above_limit": found.as_dict(),
    }
    words = f"p99 is {1000 * tails['canary']:.1f} ms, beside {1000 * tails['serving']:.1f} ms"
    if found.low > _TAIL:
        return Check("latency", Outcome.FAILED, f"the canary is too slow: {words}", figures, rules.required)
    if tails["canary"] > limit:
        reason = f"the canary looks too slow, but more calls must show it: {words}"
        return Check("latency", Outcome.INCONCLUSIVE, reason, figures, rules.required)
    return Check("latency", Outcome.PASSED, words, figures, rules.required)


def assignment_check(trial: Trial, share: float, rules: AssignmentRules, least_users: int) -> Check:
    """Compare the canary's share of the users who got slates with its share of all users.

    If they differ, users of one side are missing, so the other comparisons are not fair. Then nothing is decided.
    """
    has_slates = trial.now.slate_counts() > 0
    part = trial.canary[has_slates].astype(np.float64)
    if len(part) < least_users:
        reason = f"{len(part)} users got slates; {least_users} are needed"
        return Check("assignment", Outcome.INCONCLUSIVE, reason, required=rules.required)
    estimate = Estimate(float(part.mean()), share * (1 - share) / len(part))
    found = confidence_sequence(estimate, alpha=rules.error_chance, effect=share * (1 - share))
    figures = {"share": share, "found_share": found.as_dict()}
    words = f"{100 * found.mean:.1f} % of the users with slates got the canary, {100 * share:.1f} % should have"
    if found.low <= share <= found.high:
        return Check("assignment", Outcome.PASSED, words, figures, rules.required)
    reason = f"{words}: users of one side are missing, so the sides cannot be compared"
    return Check("assignment", Outcome.INCONCLUSIVE, reason, figures, rules.required)


def _arms(canary: BoolArray) -> dict[str, BoolArray]:
    return {"canary": canary, "serving": ~canary}


def _rise_check(name: str, shares: Mapping[str, Estimate], figures: Mapping[str, Any], rules: ShareRules) -> Check:
    rise = difference(shares["canary"], shares["serving"])
    # The tuning must be above zero, also where no rise at all is accepted.
    found = confidence_sequence(rise, alpha=rules.error_chance, effect=max(rules.largest_rise, 1e-4))
    percent = {arm: f"{100 * share.mean:.2f} %" for arm, share in shares.items()}
    words = f"{percent['canary']} for the canary, {percent['serving']} beside it"
    shown = {
        **figures,
        "shares": {arm: round(share.mean, 6) for arm, share in shares.items()},
        "rise": found.as_dict(),
        "largest_rise": rules.largest_rise,
    }
    if found.low > rules.largest_rise:
        return Check(name, Outcome.FAILED, f"rose beyond what is accepted: {words}", shown, rules.required)
    if found.mean > rules.largest_rise:
        reason = f"may have risen beyond what is accepted: {words}"
        return Check(name, Outcome.INCONCLUSIVE, reason, shown, rules.required)
    return Check(name, Outcome.PASSED, words, shown, rules.required)


_NOT_MEASURED = "not measured: no metrics of a server count the calls of both bundles; see --metrics"


def _few(found: Mapping[str, float], what: str, least: int) -> str:
    new, old = found["canary"], found["serving"]
    return f"{new:.0f} {what} of the canary and {old:.0f} beside it; {least} are needed of each"
