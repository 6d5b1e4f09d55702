from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from ranker.features import SCHEMA
from ranker.score import base_scores, read_model
from ranker.trees import parse_trees
from ranker.types import Float64Array
from tests.training.trees import builders
from tests.training.trees.builders import WITHOUT_BASE
from training.data.rows import Rows
from training.data.snapshot import CLICKED, LIKED, SAVED
from training.errors import TrainingError
from training.metrics import ndcg
from training.progress import silent
from training.recipes import find_recipe
from training.trees.fit import LABEL_GAIN, Fitted, base_of, fit, joined, lambdamart_params

RECIPE = replace(find_recipe("tiny"), tree_count=8, base=())
ON_BASE = builders.RECIPE


def rows(seed: int, grades: tuple[int, ...] = (LIKED,)) -> Rows:
    """Return queries in which the first feature decides the relevance, with these grades in turn."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((600, len(SCHEMA))).astype(np.float32)
    relevant = features[:, 0] > 0.8
    labels = np.where(relevant, np.resize(grades, 600), 0)
    return Rows(features, labels, np.full(30, 20, np.int32))


def trees(train: Rows, held_out: Rows) -> str:
    """Return the trees of the fitted model, without its parameters."""
    return fit(train, held_out, RECIPE, 0, silent).text.partition("parameters:")[0]


def scores(fitted: Fitted, shown: Rows) -> Float64Array:
    """Return the scores of all rows."""
    model = fitted.model
    return model.scores(shown.features, model.leaves(shown.features))


def by_trees_alone(text: str, shown: Rows) -> Float64Array:
    """Return what the trees of a model add to the score of each row, as LightGBM computes it."""
    found = lightgbm.Booster(model_str=text).predict(shown.features, raw_score=True, num_threads=1)
    return np.asarray(found, dtype=np.float64)


def mean_ndcg(values: Float64Array, shown: Rows) -> float:
    """Return the mean nDCG@10 of the queries with a relevant candidate."""
    return float(np.mean([ndcg(hits, 10) for hits in shown.hits(values) if hits.any()]))


def test_likes_alone_train_as_binary_labels_do() -> None:
    """Data of likes alone give the trees of binary labels, bit for bit."""
    params = {name: value for name, value in lambdamart_params(RECIPE, 0).items() if name != "label_gain"}
    one, other = rows(0), rows(1)
    data = lightgbm.Dataset(one.features, one.labels > 0, group=one.group_sizes, feature_name=list(SCHEMA.names))
    check = data.create_valid(other.features, other.labels > 0, group=other.group_sizes)
    stop = lightgbm.early_stopping(RECIPE.early_stopping_rounds, verbose=False)
    binary = lightgbm.train(params, data, RECIPE.tree_count, valid_sets=[check], callbacks=[stop])
    text = binary.model_to_string(num_iteration=binary.best_iteration)
    assert text.partition("parameters:")[0] == trees(one, other)


def test_grades_matter() -> None:
    """Gains grow with the grade, and other grades give other trees."""
    assert list(LABEL_GAIN) == sorted(LABEL_GAIN)
    assert trees(rows(0, (LIKED, SAVED, CLICKED)), rows(1)) != trees(rows(0), rows(1))


def test_too_few_rows() -> None:
    """Too few rows for a tree to split raise an error."""
    few = Rows(rows(0).features[:20], rows(0).labels[:20], np.array([20], np.int32))
    with pytest.raises(TrainingError, match="1 queries with 20 candidates are too few"):
        fit(few, few, RECIPE, 0, silent)


def test_trees_correct_the_base() -> None:
    """A score is the base plus the trees; together they rank better than each alone and than trees without a base."""
    learn, held_out, unseen = builders.rows(0), builders.rows(1), builders.rows(2)
    fitted = fit(learn, held_out, ON_BASE, 0, silent)
    base, added = base_scores(unseen.features, base_of(ON_BASE)), by_trees_alone(fitted.text, unseen)

    assert fitted.base_weights == dict(ON_BASE.base)
    assert np.allclose(scores(fitted, unseen), base + added, atol=1e-6)
    together = mean_ndcg(scores(fitted, unseen), unseen)
    without_base = scores(fit(learn, held_out, WITHOUT_BASE, 0, silent), unseen)
    assert together > max(mean_ndcg(each, unseen) for each in (base, added, without_base))


def test_the_curve_counts_the_base() -> None:
    """The learning curve is that of base and trees together."""
    learn, held_out = builders.rows(0), builders.rows(1)
    fitted = fit(learn, held_out, ON_BASE, 0, silent)

    found = [ndcg(hits, 10) if hits.any() else 1.0 for hits in held_out.hits(scores(fitted, held_out))]
    assert fitted.curve[fitted.tree_count - 1] == pytest.approx(np.mean(found), abs=1e-6)


def test_joined_models_add_up() -> None:
    """A joined model has the trees of both in their order, and its scores are the sums of theirs."""
    one, other = (fit(builders.rows(seed), builders.rows(9), WITHOUT_BASE, seed, silent).text for seed in (0, 1))
    shown = builders.rows(2)
    text = joined(one, other)

    counts = [parse_trees(each, len(SCHEMA)).leaf_counts.tolist() for each in (one, other, text)]
    assert counts[2] == counts[0] + counts[1]
    sums = by_trees_alone(one, shown) + by_trees_alone(other, shown)
    assert np.allclose(by_trees_alone(text, shown), sums, atol=1e-12)
    model = read_model(text, base_of(ON_BASE), SCHEMA.family_of)
    base = base_scores(shown.features, base_of(ON_BASE))
    assert np.allclose(model.scores(shown.features, model.leaves(shown.features)), base + sums, atol=1e-6)


def test_growing_on_a_model_keeps_it() -> None:
    """A model grown on another has the other's base and trees first, and ranks what is new better than it."""
    first = fit(builders.rows(0), builders.rows(1), ON_BASE, 0, silent)
    learn, held_out, unseen = rows(3), rows(4), rows(5)

    grown = fit(learn, held_out, RECIPE, 0, silent, grown_on=first.model)

    assert grown.base_weights == first.base_weights
    first_trees = first.text[first.text.index("Tree=0") : first.text.index("end of trees")]
    assert first_trees.strip() in grown.text
    count = len(parse_trees(grown.text, len(SCHEMA)).leaf_counts)
    assert count == first.tree_count + grown.tree_count
    assert mean_ndcg(scores(grown, unseen), unseen) > mean_ndcg(scores(first, unseen), unseen)
