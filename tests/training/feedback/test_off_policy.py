import numpy as np
import pytest

from ranker.types import Float64Array
from testing.click_log import SHOWN, VERSION, attraction, logged, made_up_log, sent
from training.errors import EvaluationError
from training.feedback.examination import Examination, estimate_examination
from training.feedback.log import LogBuilder, SlateLog
from training.feedback.off_policy import estimate_value, target_places

ESTIMATORS = ("ips", "snips", "dr")


def truth(log: SlateLog, scores: Float64Array, exponent: float) -> float:
    """Return the true value of the policy that orders by these scores."""
    targets = target_places(log, scores)
    shown = targets <= SHOWN
    return float((targets[shown] ** -exponent * attraction(log.features[shown])).sum() / len(log))


def policies(log: SlateLog) -> dict[str, Float64Array]:
    """Return scores of policies of known value: the best, the worst, a random one, and the one that served."""
    best = log.features[:, 0].astype(np.float64)
    any_order = np.random.default_rng(5).standard_normal(len(best))
    return {"best": best, "worst": -best, "any": any_order, "served": -log.places_before.astype(np.float64)}


@pytest.fixture(scope="module")
def log() -> SlateLog:
    """Return a log of 150 users."""
    return made_up_log(exponent=0.7, share=1.0, user_count=150, seed=2)


@pytest.mark.parametrize("policy", ["best", "worst", "any", "served"])
def test_intervals_hold_the_truth(log: SlateLog, policy: str) -> None:
    """The interval of each estimator contains the true value, and separates best and worst from served."""
    scores = policies(log)[policy]
    found = estimate_value(log, scores, estimate_examination(log))

    for name in ESTIMATORS:
        assert found.values[name].low <= truth(log, scores, 0.7) <= found.values[name].high, name
    assert found.unsupported_share == 0
    assert 0 < found.effective_slates <= len(log) + 1e-6
    if policy == "best":
        assert all(difference.low > 0 for difference in found.differences.values())
    if policy == "worst":
        assert all(difference.high < 0 for difference in found.differences.values())


@pytest.mark.slow
def test_without_bias_on_average() -> None:
    """With the exponent known, the mean error over many logs is zero within its standard error."""
    errors: dict[str, list[float]] = {name: [] for name in ESTIMATORS}
    for seed in range(25):
        log = made_up_log(exponent=1.0, share=1.0, user_count=20, slate_count=10, seed=100 + seed)
        scores = policies(log)["best"]
        found = estimate_value(log, scores, Examination.given(1.0))
        for name in ESTIMATORS:
            errors[name].append(found.values[name].mean - truth(log, scores, 1.0))

    for name in ESTIMATORS:
        standard_error = np.std(errors[name]) / np.sqrt(len(errors[name]))
        assert abs(np.mean(errors[name])) < 3 * standard_error, name


def test_the_wrong_position_bias_misleads() -> None:
    """Without the correction of position bias, the best order is underestimated."""
    log = made_up_log(exponent=1.0, share=1.0, user_count=150, seed=4)
    scores = policies(log)["best"]
    naive = estimate_value(log, scores, Examination.given(0.0))

    assert naive.values["ips"].high < truth(log, scores, 1.0)


def test_what_was_never_shown_is_reported() -> None:
    """Without exploration, a policy that shows other papers has an unsupported share of 1."""
    log = made_up_log(exponent=1.0, share=0.0, user_count=5)
    worst = log.places_before.astype(np.float64)
    found = estimate_value(log, worst, Examination.given(1.0))
    same = estimate_value(log, -worst, Examination.given(1.0))

    assert found.unsupported_share == pytest.approx(1.0)
    assert found.values["ips"].mean == 0.0
    assert same.unsupported_share == 0.0
    assert same.values["ips"].mean == pytest.approx(same.values["served"].mean)


def test_target_places() -> None:
    """Each slate is ordered by falling score, and ties keep their order."""
    slates = [logged("a", 10), logged("b", 10)]
    builder = LogBuilder(VERSION)
    builder.add(slates, [each for slate in slates for each in sent(slate)])

    targets = target_places(builder.built(), np.array([*range(10), *[0.0] * 10]))

    assert targets.tolist() == [*range(10, 0, -1), *range(1, 11)]


def test_one_user() -> None:
    """Slates of one user are refused, because there is no interval."""
    slate = logged()
    builder = LogBuilder(VERSION)
    builder.add([slate], sent(slate))
    with pytest.raises(EvaluationError, match="all slates are of one user"):
        estimate_value(builder.built(), np.zeros(12), Examination.given(1.0))
