"""Each check of the gate alone."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranker.bundle.bundle import Bundle
from ranker.bundle.manifest import MODEL_NAME
from ranker.features import SCHEMA, Inputs
from ranker.pipeline import Scored, score
from ranker.user_context import UNKNOWN_USER
from service.encoder import HashingEncoder
from testing.click_log import made_up_log
from testing.ranker import DIM
from testing.training import DIM as PLANTED_DIM
from testing.training import planted
from testing.trials.rivals import MADE_AT, rival
from training.checks import Check, Outcome, overall
from training.evaluation import Plan
from training.gate.bundle_files import loaded, size_check
from training.gate.held_out import first_unseen_day, held_out_check
from training.gate.latency import judged, latency_checks, median_interval, paired_times
from training.gate.parity import compared, parity_check
from training.gate.rules import GateRules
from training.gate.slates import slates_check
from training.gate.workload import AS_OF, made_up_papers, profiles
from training.provenance import known_until

RULES = GateRules.read()
GOOD, BAD = {"embedding_mean_relative": 30.0}, {"embedding_mean_relative": -30.0}
PLAN = Plan("weekly-digest", first_day=dt.date(2017, 7, 1), last_day=dt.date(2017, 8, 31))
DATA = planted(dated=True, user_count=30, paper_count=240)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return rival(tmp_path_factory.mktemp("rivals") / "good", GOOD)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([Outcome.PASSED], Outcome.PASSED),
        ([Outcome.PASSED, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([Outcome.FAILED, Outcome.INCONCLUSIVE], Outcome.FAILED),
    ],
)
def test_overall(outcomes: list[Outcome], expected: Outcome) -> None:
    """One failure fails the gate, and one inconclusive check makes it inconclusive; without checks nothing passes."""
    assert overall([Check("any", outcome, "") for outcome in outcomes]) is expected


def test_a_check_that_is_not_required() -> None:
    """An inconclusive check that is not required does not matter, but its failure does."""
    passed = Check("one", Outcome.PASSED, "")

    assert overall([passed, Check("two", Outcome.INCONCLUSIVE, "", required=False)]) is Outcome.PASSED
    assert overall([passed, Check("two", Outcome.FAILED, "", required=False)]) is Outcome.FAILED


def test_loading(tmp_path: Path) -> None:
    """A sound bundle is loaded; a damaged one and one for another encoder fail with the reason."""
    made = rival(tmp_path / "bundle", GOOD)
    found, check = loaded(tmp_path / "bundle", HashingEncoder.name)
    assert found is not None
    assert (found.version, check.outcome) == (made.version, Outcome.PASSED)

    unfit, check = loaded(tmp_path / "bundle", "another-encoder")
    assert (unfit, check.outcome) == (None, Outcome.FAILED)
    assert "another-encoder" in check.reason

    with (tmp_path / "bundle" / MODEL_NAME).open("a") as file:
        file.write(" ")
    damaged, check = loaded(tmp_path / "bundle", HashingEncoder.name)
    assert (damaged, check.outcome) == (None, Outcome.FAILED)
    assert "is damaged" in check.reason


def test_size(bundle: Bundle) -> None:
    """A bundle above the accepted size fails."""
    assert size_check(bundle, RULES.size).outcome is Outcome.PASSED
    assert size_check(bundle, replace(RULES.size, largest_mebibytes=0.001)).outcome is Outcome.FAILED


def test_parity(bundle: Bundle) -> None:
    """Features of groups of any size agree."""
    check = parity_check(bundle)

    assert check.outcome is Outcome.PASSED, check
    assert 0 <= check.figures["greatest_difference"] <= 1e-5
    assert check.figures["schema_sha256"] == SCHEMA.sha256


@pytest.mark.parametrize("change", [2e-5, np.nan])
def test_parity_finds_the_feature(bundle: Bundle, change: float) -> None:
    """A feature that differs by more than rounding, or is unknown on one side only, fails and is named."""
    matrix = bundle.spaces.matrix(made_up_papers(20, DIM, 1))
    (found,) = score(bundle, Inputs.of(profiles(bundle, 1)[0], matrix, AS_OF, UNKNOWN_USER))
    column = SCHEMA.names.index("embedding_mean_relative")
    features = found.features.copy()
    features[3, column] += change

    check = compared({1: [found], 3: [Scored(features, found.leaves, found.scores, found.cosines)]}, "")

    assert check.outcome is Outcome.FAILED
    assert "embedding_mean_relative" in check.reason


@pytest.mark.parametrize(
    ("ratio", "spread", "outcome"),
    [
        (1.0, 0.05, Outcome.PASSED),
        (1.6, 0.05, Outcome.FAILED),
        (1.25, 0.3, Outcome.INCONCLUSIVE),
    ],
)
def test_latency_outcome(ratio: float, spread: float, outcome: Outcome) -> None:
    """The whole interval of the median ratio must lie below the accepted one, or above it to fail."""
    ratios = ratio + spread * np.linspace(-1, 1, 61)

    assert judged("latency", ratios, (0.001, 0.001), RULES.latency).outcome is outcome


def test_latency_runs_both_bundles(bundle: Bundle) -> None:
    """A bundle is timed with 77 and 2,000 candidates, and its own times are about the same as its own."""
    checks = latency_checks(bundle, bundle, replace(RULES.latency, rounds=9, largest_ratio=50.0))

    assert [check.name for check in checks] == ["latency of 77 candidates", "latency of 2,000 candidates"]
    assert all(check.outcome is Outcome.PASSED for check in checks), checks


def test_rounds_are_fair() -> None:
    """In each round both rank for the same user, and each is first in every second round."""
    calls: list[tuple[str, int]] = []

    paired_times(lambda user: calls.append(("new", user)), lambda user: calls.append(("old", user)), 20)

    rounds = list(zip(calls[::2], calls[1::2], strict=True))[3:]
    assert len(rounds) == 20
    assert all(one[1] == other[1] and one[0] != other[0] for one, other in rounds)
    assert [one[0] for one, _ in rounds].count("new") == 10


def test_median_interval() -> None:
    """The interval holds the true median in about 95 % of samples; few values have no interval."""
    samples = np.random.default_rng(0).exponential(size=(1_000, 41))
    intervals = np.array([median_interval(sample) for sample in samples])
    held = (intervals[:, 0] <= np.log(2)) & (np.log(2) <= intervals[:, 1])

    assert 0.93 <= held.mean() <= 0.99
    assert median_interval([1.0] * 5) == (-np.inf, np.inf)


@pytest.fixture(scope="module")
def planted_rivals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    """A bundle that ranks the planted data well, and one that ranks it badly."""
    folder = tmp_path_factory.mktemp("planted")
    return rival(folder / "good", GOOD, dim=PLANTED_DIM), rival(folder / "bad", BAD, dim=PLANTED_DIM)


def test_held_out(planted_rivals: tuple[Bundle, Bundle]) -> None:
    """A better bundle passes against a worse one, and fails the other way round; a bundle passes against itself."""
    good, bad = planted_rivals

    better = held_out_check(DATA, PLAN, good, bad, RULES.held_out)
    worse = held_out_check(DATA, PLAN, bad, good, RULES.held_out)
    same = held_out_check(DATA, PLAN, good, good, RULES.held_out)

    assert better.outcome is Outcome.PASSED, better
    assert worse.outcome is Outcome.FAILED, worse
    assert worse.figures["difference"]["mean"] == -better.figures["difference"]["mean"] < 0
    assert same.outcome is Outcome.PASSED
    assert same.figures["difference"] == {"mean": 0, "low": 0, "high": 0}


def test_too_few_users(planted_rivals: tuple[Bundle, Bundle]) -> None:
    """Two users never pass the gate, however sure the interval of the two looks."""
    good, bad = planted_rivals

    check = held_out_check(DATA, replace(PLAN, max_users=2), good, bad, RULES.held_out)

    assert check.outcome is Outcome.INCONCLUSIVE
    assert "2 users were tested; 20 are needed" in check.reason
    assert check.figures["difference"]["low"] > 0


def test_no_held_out_data(planted_rivals: tuple[Bundle, Bundle]) -> None:
    """Without data after the training, and under another encoder, nothing passes."""
    good, bad = planted_rivals
    late = replace(PLAN, first_day=dt.date(2019, 1, 1), last_day=dt.date(2019, 2, 1))
    foreign = replace(bad, manifest=replace(bad.manifest, encoder_name="another-encoder"))

    assert held_out_check(DATA, late, good, bad, RULES.held_out).outcome is Outcome.INCONCLUSIVE
    unfit = held_out_check(DATA, PLAN, good, foreign, RULES.held_out)
    assert unfit.outcome is Outcome.INCONCLUSIVE
    assert "another-encoder" in unfit.reason


def test_what_a_bundle_can_know(bundle: Bundle) -> None:
    """It knows nothing from its training on, nor from the limit that it was trained with."""
    day = dt.datetime(2017, 3, 1, tzinfo=dt.UTC).timestamp()

    def limited(name: str, **params: object) -> Bundle:
        return replace(bundle, manifest=replace(bundle.manifest, recipe=name, params=params))

    assert known_until(bundle.manifest) == dt.datetime.fromisoformat(MADE_AT).timestamp()
    assert known_until(limited("default", recipe={"known_until": day}).manifest) == day
    assert known_until(limited("feedback", recipe={"known_until": day}).manifest) == known_until(bundle.manifest)
    assert known_until(limited("feedback", known_until=day).manifest) == day
    assert first_unseen_day(limited("feedback", known_until=day)) == dt.date(2017, 3, 1)
    assert first_unseen_day(bundle, limited("feedback", known_until=day)) == dt.date(2017, 7, 31)


def test_logged_slates(tmp_path: Path) -> None:
    """On slates whose first feature is the attraction, a bundle that ranks by it passes, and the opposite fails."""
    first = SCHEMA.names[0]
    good, bad = rival(tmp_path / "good", {first: 1_000.0}), rival(tmp_path / "bad", {first: -1_000.0})
    log = made_up_log(exponent=0.7, share=1.0, user_count=60, slate_count=10, seed=3)

    rules = replace(RULES.slates, least_effective_slates=20.0)

    better = slates_check(log, good, bad, rules, position_bias=0.7)
    worse = slates_check(log, bad, good, rules, position_bias=0.7)

    assert better.outcome is Outcome.PASSED, better
    assert worse.outcome is Outcome.FAILED, worse


def test_too_few_slates(bundle: Bundle) -> None:
    """A log of one user, or one that says little about the bundle, is inconclusive, with the reason."""
    alone = made_up_log(exponent=0.7, user_count=1)
    small = made_up_log(exponent=0.7, user_count=4, slate_count=4)

    one_user = slates_check(alone, bundle, bundle, RULES.slates, position_bias=0.7)
    few = slates_check(small, bundle, bundle, RULES.slates, position_bias=0.7)

    assert (one_user.outcome, few.outcome) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)
    assert "only one" in one_user.reason
    assert "slates for this bundle" in few.reason
