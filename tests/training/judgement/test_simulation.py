"""Canaries of known gain, judged at the end of every day until something is decided."""

from dataclasses import replace

import pytest

from testing.trials.canary_clicks import EXPONENT, SimulatedCanary
from training.feedback.examination import Examination
from training.judgement.judge import Facts, Verdict, judge
from training.judgement.rules import JudgementRules
from training.judgement.sequential import mean_of

RULES = JudgementRules.read()
RULES = replace(RULES, errors=replace(RULES.errors, required=False), latency=replace(RULES.latency, required=False))
"""The shipped rules; no server runs here, so errors and latency are not measured."""
EXAMINATION = Examination.given(EXPONENT)
RUNS = 100


def decided(canary: SimulatedCanary, seed: int) -> tuple[Verdict, float]:
    """Return the first verdict that is not to wait, and the day; the last one if all are to wait."""
    for days, trial in canary.looks(seed):
        found = judge(Facts(trial, canary.share, days, EXPONENT), RULES)
        if found.verdict is not Verdict.WAIT:
            return found.verdict, days
    return Verdict.WAIT, canary.days


def test_an_equal_bundle_is_not_promoted() -> None:
    """Of 100 equal bundles, looked at every day, at most five are promoted, and at most five taken back."""
    found = [decided(SimulatedCanary(0.0), seed)[0] for seed in range(RUNS)]

    assert found.count(Verdict.PROMOTE) <= 5
    assert found.count(Verdict.ROLL_BACK) <= 5


@pytest.mark.parametrize(
    ("canary", "verdict"),
    [
        (SimulatedCanary(0.3), Verdict.PROMOTE),
        (SimulatedCanary(-0.3), Verdict.ROLL_BACK),
        (SimulatedCanary(0.0, worse_order=True), Verdict.ROLL_BACK),
    ],
    ids=["better", "worse", "worse order"],
)
def test_a_different_bundle_is_recognised(canary: SimulatedCanary, verdict: Verdict) -> None:
    """Better bundles are promoted, and worse ones taken back, also if they only order the same papers worse."""
    found = [decided(canary, seed)[0] for seed in range(20)]

    assert found.count(verdict) >= 19, found


def test_a_promotion_waits_for_a_week() -> None:
    """However much better a canary is, it is promoted after seven days at the earliest."""
    assert decided(SimulatedCanary(1.0), seed=1) == (Verdict.PROMOTE, 7.0)


def test_ordinary_intervals_would_fail() -> None:
    """The simulation is a hard test: looking every day at ordinary 95 % intervals would promote many equal bundles."""
    promoted = 0
    for seed in range(RUNS):
        for _, trial in SimulatedCanary(0.0).looks(seed):
            values = trial.values(EXAMINATION)
            has_slates = trial.now.slate_counts() > 0
            new, old = (mean_of(values[arm & has_slates]) for arm in (trial.canary, ~trial.canary))
            if new.mean - old.mean > 1.96 * (new.variance + old.variance) ** 0.5:
                promoted += 1
                break

    assert promoted > 5
