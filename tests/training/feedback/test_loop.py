"""The whole feedback loop on users of known taste and position bias: serve, react, learn, serve again."""

from dataclasses import dataclass, replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from data_sets.slates import read_slates
from ranker.bundle.bundle import load_bundle
from ranker.features import SCHEMA
from ranker.types import Float64Array, IndexArray
from service.storage import schema
from testing.feedback_loop import DAY, FIRST_DAY, SHOWN, run_loop, upvote_bundle
from testing.simulated_clicks import World
from training.dates import START_OF_TIME
from training.feedback.examination import estimate_examination
from training.feedback.learn import learn_from_slates
from training.feedback.log import SlateLog
from training.feedback.off_policy import Estimates, estimate_value, target_places
from training.recipes import find_recipe

pytestmark = pytest.mark.slow

EXPONENT = 1.0
USERS, DIGESTS, LEARNED_DIGESTS = 200, 15, 12
RECIPE = replace(find_recipe("tiny"), tree_count=150, early_stopping_rounds=40, learning_rate=0.1)
LEARNED_UNTIL = (FIRST_DAY + LEARNED_DIGESTS * DAY).timestamp()


@dataclass(frozen=True)
class Learned:
    """The results of one loop.

    Attributes:
        log: The slates that training used.
        served: All slates with all their papers.
        later: The slates after those of training.
        attractions: (papers of ``served``,) true attractions.
        values: By bundle, the (users,) mean true values on digests that nobody has seen.
    """

    log: SlateLog
    served: SlateLog
    later: SlateLog
    attractions: Float64Array
    folders: dict[str, Path]
    values: dict[str, Float64Array]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """Run 15 digests of 40 papers for 200 users; train on the first 12, with and without debiasing."""
    folder = tmp_path_factory.mktemp("loop")
    url = f"sqlite:///{folder / 'loop.db'}"
    schema.upgrade(url)
    served = upvote_bundle(folder / "served")
    loop = run_loop(url, served, World(seed=2, exponent=EXPONENT), USERS, DIGESTS, 40, exploration=1.0)
    base = load_bundle(served, encoder=None)
    log = read_slates(url, base, until=LEARNED_UNTIL, shown_only=True)
    served_log, later = (
        read_slates(url, base, since=since, shown_only=False) for since in (START_OF_TIME, LEARNED_UNTIL)
    )
    attractions = loop.attractions()
    folders = {"served": served, "debiased": folder / "debiased", "naive": folder / "naive"}
    for name, position_bias in (("debiased", None), ("naive", 0.0)):
        learn_from_slates(log, base, folders[name], recipe=RECIPE, position_bias=position_bias)
    values = {name: loop.values_of(path).mean(axis=0) for name, path in folders.items()}
    return Learned(log, served_log, later, attractions, folders, values | {"best": loop.best_values().mean(axis=0)})


def test_recovers_the_tastes_and_beats_the_naive_model(learned: Learned) -> None:
    """Debiased training comes within a tenth of the best order, and is better than training without debiasing."""
    means = {name: float(values.mean()) for name, values in learned.values.items()}
    difference = learned.values["debiased"] - learned.values["naive"]
    resampled = np.random.default_rng(0).choice(difference, (2_000, len(difference))).mean(axis=1)

    assert means["debiased"] > 0.9 * means["best"], means
    assert np.percentile(resampled, 2.5) > 0, means
    assert means["served"] < means["naive"] < means["debiased"]


def test_learns_the_users_taste(learned: Learned) -> None:
    """The debiased model gains far more from the age of papers than from upvotes: usually seven times as much."""
    model = load_bundle(learned.folders["debiased"], encoder=None).model
    gain = dict(
        zip(SCHEMA.names, lightgbm.Booster(model_str=model.text).feature_importance("gain").tolist(), strict=True)
    )

    assert gain["recency_days"] > 3 * sum(gain[name] for name in SCHEMA.names if name.startswith("trend_"))


def test_position_bias_is_recovered(learned: Learned) -> None:
    """The planted exponent lies in the interval, widened by half, because 95 % intervals miss one draw in twenty."""
    found = estimate_examination(learned.log)
    margin = (found.high - found.low) / 4

    assert found.low - margin <= EXPONENT <= found.high + margin


@pytest.mark.parametrize("policy", ["newest first", "served"])
def test_estimates_hold_the_truth(learned: Learned, policy: str) -> None:
    """On logged slates the intervals of IPS, SNIPS and DR contain the true value of a known policy."""
    log = learned.served
    scores = -log.features[:, SCHEMA.names.index("recency_days")].astype(np.float64)
    if policy == "served":
        scores = scores_of(learned.folders["served"], log)

    check_estimates(learned, log, scores, learned.attractions)


def test_a_better_bundle_is_recognised(learned: Learned) -> None:
    """On slates outside its training the debiased bundle's estimates hold the truth, above what was served."""
    scores = scores_of(learned.folders["debiased"], learned.later)
    attractions = learned.attractions[np.isin(learned.served.slates, later_slates(learned))]

    found = check_estimates(learned, learned.later, scores, attractions)

    assert all(difference.low > 0 for difference in found.differences.values()), found.differences


def check_estimates(learned: Learned, log: SlateLog, scores: Float64Array, attractions: Float64Array) -> Estimates:
    """Check that every interval, widened by half, contains the truth.

    The position bias is estimated on all slates, because the later ones are few. The margin is needed because 95 %
    intervals miss some draws, and the draw depends on the last bits of a processor's sums.
    """
    targets = target_places(log, scores)
    shown = targets <= SHOWN
    truth = float((targets[shown] ** -EXPONENT * attractions[shown]).sum() / len(log))
    found = estimate_value(log, scores, estimate_examination(learned.served))
    for name in ("ips", "snips", "dr"):
        value = found.values[name]
        low, high = value.mean - 1.5 * (value.mean - value.low), value.mean + 1.5 * (value.high - value.mean)
        assert low <= truth <= high, (name, truth, found.values)
    return found


def scores_of(bundle: Path, log: SlateLog) -> Float64Array:
    """Return the scores of the bundle's model on the logged features."""
    model = load_bundle(bundle, encoder=None).model
    return model.scores(log.features, model.leaves(log.features))


def later_slates(learned: Learned) -> IndexArray:
    """Return the numbers in ``served`` of the slates in ``later``; each user has one slate a day."""
    return np.array([user * DIGESTS + day for user in range(USERS) for day in range(LEARNED_DIGESTS, DIGESTS)])
