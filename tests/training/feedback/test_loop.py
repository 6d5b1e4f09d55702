"""The whole loop on readers of known taste and position bias: served, shown, reacted to, learned, served again."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from datasets.slates import read_slates
from ranker.bundle.bundle import load_bundle
from ranker.features import SCHEMA
from ranker.types import Float64Array, IndexArray
from service.storage import schema
from testing.feedback_loop import DAY, FIRST_DAY, SHOWN, run_loop, upvote_bundle
from testing.simulated_clicks import World
from training.feedback.examination import estimate_examination
from training.feedback.learn import learn_from_slates
from training.feedback.log import SlateLog
from training.feedback.off_policy import Estimates, estimate_value, target_places
from training.recipes import find_recipe

pytestmark = pytest.mark.slow

EXPONENT = 1.0
USERS, DIGESTS, LEARNED_DIGESTS = 240, 16, 12
RECIPE = replace(find_recipe("tiny"), tree_count=150, early_stopping_rounds=40, learning_rate=0.1)
ALWAYS = 1e18
LEARNED_UNTIL = (FIRST_DAY + LEARNED_DIGESTS * DAY).timestamp()


@dataclass(frozen=True)
class Learned:
    """What became of one world.

    Attributes:
        log: The slates that were learned from.
        served: All slates, those that were learned from and later ones, and all their papers.
        later: The later slates alone.
        attractions: (papers of ``served``,) the truth.
        values: By bundle, the mean true value per reader, shape (readers,), on digests that nobody has seen.
    """

    log: SlateLog
    served: SlateLog
    later: SlateLog
    attractions: Float64Array
    folders: dict[str, Path]
    values: dict[str, Float64Array]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """120 readers, 16 digests of 40 papers; a bundle learned of the first 12 with debiasing, and the same without."""
    folder = tmp_path_factory.mktemp("loop")
    url = f"sqlite:///{folder / 'loop.db'}"
    schema.upgrade(url)
    served = upvote_bundle(folder / "served")
    loop = run_loop(url, served, World(seed=2, exponent=EXPONENT), USERS, DIGESTS, 40, exploration=1.0)
    base = load_bundle(served, encoder=None)
    log = read_slates(url, base, since=-ALWAYS, until=LEARNED_UNTIL, shown_only=True)
    served_log, later = (
        read_slates(url, base, since=since, until=ALWAYS, shown_only=False) for since in (-ALWAYS, LEARNED_UNTIL)
    )
    attractions = loop.attractions()
    folders = {"served": served, "debiased": folder / "debiased", "naive": folder / "naive"}
    for name, position_bias in (("debiased", None), ("naive", 0.0)):
        learn_from_slates(log, base, folders[name], recipe=RECIPE, position_bias=position_bias)
    values = {name: loop.values_of(path).mean(axis=0) for name, path in folders.items()}
    return Learned(log, served_log, later, attractions, folders, values | {"best": loop.best_values().mean(axis=0)})


def test_recovers_the_tastes_and_beats_the_naive_model(learned: Learned) -> None:
    """Debiased training comes within a tenth of the best order there is, and above the same training without it."""
    means = {name: float(values.mean()) for name, values in learned.values.items()}
    difference = learned.values["debiased"] - learned.values["naive"]
    resampled = np.random.default_rng(0).choice(difference, (2_000, len(difference))).mean(axis=1)

    assert means["debiased"] > 0.9 * means["best"], means
    assert np.percentile(resampled, 2.5) > 0, means
    assert means["served"] < means["naive"] < means["debiased"]


def test_learns_what_the_users_want(learned: Learned) -> None:
    """The debiased model looks at age first among what is the paper's own, and no longer at upvotes."""
    model = load_bundle(learned.folders["debiased"], encoder=None).model
    gain = dict(zip(SCHEMA.names, model.booster.feature_importance("gain").tolist(), strict=True))

    assert gain["recency_published_days"] > 10 * sum(gain[name] for name in SCHEMA.names if name.startswith("trend_"))


def test_position_bias_is_recovered(learned: Learned) -> None:
    """The planted exponent lies in its interval, made half as wide again: one draw in twenty misses a 95 % interval."""
    found = estimate_examination(learned.log)
    margin = (found.high - found.low) / 4

    assert found.low - margin <= EXPONENT <= found.high + margin


@pytest.mark.parametrize("policy", ["newest first", "served"])
def test_estimates_hold_the_truth(learned: Learned, policy: str) -> None:
    """On logged slates the intervals of IPS, SNIPS and DR hold what a known policy would truly have earned."""
    log = learned.served
    scores = -log.features[:, SCHEMA.names.index("recency_published_days")].astype(np.float64)
    if policy == "served":
        scores = scores_of(learned.folders["served"], log)

    check_estimates(learned, log, scores, learned.attractions)


def test_a_better_bundle_is_told(learned: Learned) -> None:
    """On slates that it has not learned from the debiased bundle is estimated truly, and above what was served."""
    scores = scores_of(learned.folders["debiased"], learned.later)
    attractions = learned.attractions[np.isin(learned.served.slates, later_slates(learned))]

    found = check_estimates(learned, learned.later, scores, attractions)

    assert all(difference.low > 0 for difference in found.differences.values())


def check_estimates(learned: Learned, log: SlateLog, scores: Float64Array, attractions: Float64Array) -> Estimates:
    """Every interval holds the truth; how far down readers read is told by all slates, as the later ones are few.

    Half as wide again, since 95 % of draws are not all, and the draw hangs on the last bits of a processor's sums.
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
    """What the bundle's model makes of the logged features."""
    model = load_bundle(bundle, encoder=None).model
    return model.scores(model.leaves(log.features))


def later_slates(learned: Learned) -> IndexArray:
    """Numbers in ``served`` of the slates in ``later``: the last of each reader's, one a day."""
    return np.array([user * DIGESTS + day for user in range(USERS) for day in range(LEARNED_DIGESTS, DIGESTS)])
