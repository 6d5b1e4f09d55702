"""Each check of a judgement alone."""

from dataclasses import replace

import numpy as np
import pytest

from testing.click_log import MORNING, logged, sent
from testing.trials.canary_clicks import EXPONENT, SimulatedCanary
from training.checks import Outcome
from training.feedback.examination import Examination
from training.feedback.joining import LoggedEvent
from training.judgement.calls import Buckets, Calls
from training.judgement.judge import (
    Facts,
    Verdict,
    assignment_check,
    errors_check,
    judge,
    latency_check,
    loading_check,
    reactions_check,
    shares_check,
)
from training.judgement.rules import JudgementRules
from training.judgement.sequential import Estimate, confidence_sequence
from training.judgement.trial import ServedSlate, Trial, TrialBuilder

RULES = JudgementRules.read()
BOUNDS = (0.01, 0.02, 0.05, 0.1, float("inf"))


def last(canary: SimulatedCanary, seed: int = 0) -> Trial:
    return list(canary.looks(seed))[-1][1]


def calls(fast: float, slow: float, failed: float = 0) -> Calls:
    """Calls of at most 10 ms, and calls of 50 to 100 ms."""
    return Calls(fast + slow, failed, Buckets(BOUNDS, (fast, fast, fast, fast + slow, fast + slow)))


def test_the_sequence_is_wider_than_an_interval_and_narrows() -> None:
    """At every amount of information it is wider than 1.96 standard errors, by less than a factor of 2.5."""
    widths = []
    for error in (0.1, 0.05, 0.02, 0.01):
        found = confidence_sequence(Estimate(0.3, error**2), alpha=0.05, effect=0.1)
        widths.append(found.high - found.mean)
        assert 1.4 < widths[-1] / (1.96 * error) < 2.5
        assert found.mean - found.low == pytest.approx(widths[-1])

    assert widths == sorted(widths, reverse=True)


def test_the_sequence_holds_at_all_looks() -> None:
    """Of 2,000 random walks looked at 300 times, at most 5 % ever leave the sequence; ordinary intervals lose most."""
    steps = np.random.default_rng(0).standard_normal((2_000, 300))
    counts = np.arange(1, 301)
    means = steps.cumsum(axis=1) / counts
    halves = np.array([confidence_sequence(Estimate(0, 1 / n), alpha=0.05, effect=0.3).high for n in counts])

    assert (np.abs(means) > halves).any(axis=1).mean() <= 0.05
    assert (np.abs(means) > 1.96 / np.sqrt(counts)).any(axis=1).mean() > 0.3


def test_few_users_and_reactions() -> None:
    """With too few users, or reactions, nothing is decided, and the reason gives the counts."""
    few = reactions_check(Facts(last(SimulatedCanary(0.5, user_count=60)), 0.3, 14, EXPONENT), RULES.reactions)
    rules = replace(RULES.reactions, least_reactions=10**9)
    little = reactions_check(Facts(last(SimulatedCanary(0.5, days=1)), 0.3, 14, EXPONENT), rules)

    assert (few.outcome, little.outcome) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)
    assert "users with slates of the canary" in few.reason
    assert "reactions of the canary" in little.reason


def test_an_unknown_position_bias() -> None:
    """Without slates to learn the position bias from, nothing is decided, and the option is named."""
    check = reactions_check(Facts(last(SimulatedCanary(0.5)), 0.3, 14), RULES.reactions)

    assert check.outcome is Outcome.INCONCLUSIVE
    assert "--position-bias" in check.reason


def test_earlier_reactions_make_the_gain_more_certain() -> None:
    """The adjustment by earlier values narrows the interval and leaves the estimate where it was."""
    trial = last(SimulatedCanary(0.2, user_count=2_000))
    bare = replace(
        trial,
        before=replace(
            trial.before,
            users=trial.before.users[:0],
            slates=trial.before.slates[:0],
            places=trial.before.places[:0],
            fell_back=trial.before.fell_back[:0],
        ),
    )

    adjusted, plain = (
        reactions_check(Facts(each, 0.3, 14, EXPONENT), RULES.reactions).figures["gain"] for each in (trial, bare)
    )

    assert adjusted["high"] - adjusted["low"] < 0.9 * (plain["high"] - plain["low"])
    assert plain["low"] < adjusted["mean"] < plain["high"]
    assert adjusted["low"] < 0.2 < adjusted["high"]


@pytest.mark.parametrize(
    ("canary", "serving", "outcome"),
    [
        (0.0, 0.0, Outcome.PASSED),
        (0.01, 0.01, Outcome.PASSED),
        (0.3, 0.0, Outcome.FAILED),
        (0.03, 0.01, Outcome.INCONCLUSIVE),
        (0.0, 0.3, Outcome.PASSED),
    ],
)
def test_shares(canary: float, serving: float, outcome: Outcome) -> None:
    """A share that surely rose fails, one that may have risen is inconclusive, and the others pass."""
    arm = np.arange(800) < 400
    values = np.concatenate([np.arange(400) < 400 * share for share in (canary, serving)]).astype(np.float64)

    assert shares_check("fallbacks", values, arm, RULES.fallbacks, 100).outcome is outcome


def test_shares_of_few_users() -> None:
    """Users without slates do not count, and few users decide nothing."""
    values = np.full(800, np.nan)
    values[300:500] = 1.0

    assert shares_check("fallbacks", values, np.arange(800) < 400, RULES.fallbacks, 100).outcome is Outcome.PASSED
    assert shares_check("fallbacks", values, np.arange(800) < 310, RULES.fallbacks, 100).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("failed", "outcome"), [(0, Outcome.PASSED), (200, Outcome.FAILED), (12, Outcome.INCONCLUSIVE)]
)
def test_errors(failed: float, outcome: Outcome) -> None:
    """The share of failed feeds is compared; without metrics nothing is known."""
    found = errors_check((calls(2_000, 0, failed), calls(20_000, 0, 20)), RULES.errors, 1_000)

    assert found.outcome is outcome, found
    assert errors_check(None, RULES.errors, 1_000).outcome is Outcome.INCONCLUSIVE
    assert errors_check((calls(9, 0), calls(9, 0)), RULES.errors, 1_000).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("slow", "outcome"), [(0, Outcome.PASSED), (600, Outcome.FAILED), (45, Outcome.INCONCLUSIVE)])
def test_latency(slow: float, outcome: Outcome) -> None:
    """A tail of slow rankings that surely exceeds one in a hundred fails; without metrics nothing is known."""
    found = latency_check((calls(3_000, slow), calls(20_000, 10)), RULES.latency)

    assert found.outcome is outcome, found
    assert latency_check(None, RULES.latency).outcome is Outcome.INCONCLUSIVE
    assert latency_check((calls(9, 0), calls(9, 0)), RULES.latency).outcome is Outcome.INCONCLUSIVE


def test_buckets() -> None:
    """Quantiles and tails are interpolated within buckets."""
    buckets = Buckets((0.1, 0.2, float("inf")), (50, 90, 100))

    assert buckets.quantile(0.25) == pytest.approx(0.05)
    assert buckets.quantile(0.7) == pytest.approx(0.15)
    assert buckets.quantile(0.99) == pytest.approx(0.2)
    assert buckets.above(0.15) == pytest.approx(30)
    assert buckets.above(0.2) == buckets.above(5.0) == 10


def test_assignment() -> None:
    """If users of one side are missing, nothing is decided."""
    trial = last(SimulatedCanary(0.0, share=0.3, user_count=2_000))

    assert assignment_check(trial, 0.3, RULES.assignment, 100).outcome is Outcome.PASSED
    missing = assignment_check(trial, 0.5, RULES.assignment, 100)
    assert missing.outcome is Outcome.INCONCLUSIVE
    assert "users of one side are missing" in missing.reason


def test_a_canary_that_cannot_be_loaded_is_taken_back() -> None:
    """One failed check is enough, whatever the others say."""
    found = judge(Facts(last(SimulatedCanary(0.0, user_count=10)), 0.3, 1, EXPONENT, load_problem="damaged"), RULES)

    assert found.verdict is Verdict.ROLL_BACK
    assert loading_check("").outcome is Outcome.PASSED


@pytest.fixture
def trial() -> Trial:
    """Three users: one of the canary who complained, one beside it, and one with a slate of the other bundle."""
    builder = TrialBuilder("new", "old", since=MORNING)

    def served(name: str, version: str, reason: str = "none", *, hours: float = 1.0) -> ServedSlate:
        at = MORNING + hours * 3_600
        return ServedSlate(replace(logged(name, as_of=at), model_version=version), reason, at)

    one = [served("a", "old", hours=-5), served("b", "new"), served("c", "cosine", "model_unavailable", hours=2)]
    clicks = [
        LoggedEvent("p0", "click", MORNING - 4 * 3_600, "a"),
        LoggedEvent("p2", "click", MORNING + 2 * 3_600, "b"),
        LoggedEvent("p2", "like", MORNING + 2 * 3_600, "b"),
        LoggedEvent("p5", "complaint", MORNING + 3 * 3_600, ""),
    ]
    builder.add(one, [*sent(one[1].slate), *clicks], in_canary=True)
    builder.add([served("d", "old"), served("e", "trending", "new_user")], [], in_canary=False)
    builder.add([served("f", "new")], [], in_canary=False)
    return builder.built()


def test_trial(trial: Trial) -> None:
    """Slates count for the bundle that their user gets, before and after the start; others are left out by reason."""
    assert trial.canary.tolist() == [True, False, False]
    assert trial.complained.tolist() == [True, False, False]
    assert trial.now.slate_counts().tolist() == [2, 1, 0]
    assert trial.before.slate_counts().tolist() == [1, 0, 0]
    assert trial.now.fallback_shares().tolist()[:2] == [0.5, 0.0]
    assert dict(trial.left_out) == {
        "not ranked by a bundle (new_user)": 1,
        "ranked by new, although the user gets old": 1,
    }
    assert trial.log is not None
    assert trial.log.features.shape[1] == 0


def test_values_are_freed_of_position_bias(trial: Trial) -> None:
    """A reaction at place 3 is worth its discount over the examination propensity; the mean is over the slates."""
    values = trial.now.values(Examination.given(1.0))

    assert values[0] == pytest.approx(1 / np.log2(4) * 3 / 2)
    assert values[1] == 0
    assert np.isnan(values[2])


def test_slates_of_an_earlier_share_count_for_nothing() -> None:
    """Between the start of a canary and the last change of its share, the canary itself changed what users did."""
    builder = TrialBuilder("new", "old", since=MORNING, began=MORNING - 7_200)

    def served(name: str, version: str, hours: float) -> ServedSlate:
        at = MORNING + hours * 3_600
        return ServedSlate(replace(logged(name, as_of=at), model_version=version), "none", at)

    builder.add([served("a", "old", -3), served("b", "new", -1), served("c", "new", 1)], [], in_canary=True)
    trial = builder.built()

    assert (trial.now.slate_counts().tolist(), trial.before.slate_counts().tolist()) == ([1], [1])
    assert not trial.left_out
