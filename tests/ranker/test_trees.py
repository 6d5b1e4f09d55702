import lightgbm
import numpy as np
import pytest

from ranker.features import SCHEMA
from ranker.trees import TreeError, node_means, parse_trees


def test_values_are_read_exactly(small_model_text: str) -> None:
    """Leaf values read from the text equal those of LightGBM."""
    trees = parse_trees(small_model_text, len(SCHEMA))
    booster = lightgbm.Booster(model_str=small_model_text)
    for tree in range(booster.num_trees()):
        for leaf in range(trees.leaf_counts[tree]):
            assert trees.leaf_values[tree, leaf] == booster.get_leaf_output(tree, leaf)


def test_root_covers_all_rows(small_model_text: str) -> None:
    """The root's weight is the sum of the leaves' weights, and its mean is at most the greatest leaf value."""
    trees = parse_trees(small_model_text, len(SCHEMA))
    means, weights = node_means(trees)
    assert np.allclose(weights[:, 0], trees.leaf_weights.sum(axis=1))
    assert (means[:, 0] <= trees.leaf_values.max(axis=1)).all()


@pytest.mark.parametrize("leaf_count", [2, 7, 8, 9, 31, 64])
@pytest.mark.parametrize("missing", ["nan", "none", "mixed"])
def test_every_kind_of_tree(leaf_count: int, missing: str) -> None:
    """Trees of any size give LightGBM's leaves: known and unknown values, at thresholds and beside them."""
    rng = np.random.default_rng(leaf_count)
    features = np.round(rng.standard_normal((3_000, len(SCHEMA))), 1).astype(np.float32)
    if missing != "none":
        features[rng.random(features.shape) < 0.3] = np.nan
    if missing == "mixed":
        features[:, ::2] = np.nan_to_num(features[:, ::2])
    labels = np.nansum(features[:, :6], axis=1) + np.isnan(features[:, 1]) + rng.standard_normal(3_000)
    params = {"num_leaves": leaf_count, "min_data_in_leaf": 3, "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(params, lightgbm.Dataset(features, labels), 30)
    features[::3][rng.random((1_000, len(SCHEMA))) < 0.2] = np.nan
    trees = parse_trees(booster.model_to_string(), len(SCHEMA))
    expected = np.asarray(booster.predict(features, pred_leaf=True))

    starts = np.arange(30) * trees.leaf_values.shape[1]
    assert np.array_equal(trees.leaves(features).T - starts, expected)


def test_zeros_that_mean_unknown_are_refused() -> None:
    """A model that reads zeros as unknown values is refused, because features may be zero."""
    features = np.arange(200, dtype=np.float32).reshape(-1, 1) % 7 * np.ones(len(SCHEMA), dtype=np.float32)
    data = lightgbm.Dataset(features, np.arange(200) % 7)
    booster = lightgbm.train({"zero_as_missing": True, "num_threads": 1, "verbose": -1}, data, 2)
    with pytest.raises(TreeError, match="decision_type"):
        parse_trees(booster.model_to_string(), len(SCHEMA))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("left_child=", "left_child=7 ", "wrong number"),
        ("num_cat=0", "num_cat=1", "categorical"),
        ("num_class=1", "num_class=2", "one output"),
        ("max_feature_idx=", "max_feature_idx=1", "features up to"),
        ("num_leaves=8", "num_leaves=many", "cannot be read"),
        ("num_leaves=8", "num_leaves=65", "must be 1 to 64"),
        ("threshold=", "threshold=nan ", "wrong number"),
        ("leaf_value=", "leaf_value=nan ", "wrong number"),
        ("end of trees", "end", "complete"),
        ("tree\n", "bush\n", "complete"),
    ],
)
def test_broken_texts(small_model_text: str, old: str, new: str, problem: str) -> None:
    """Each kind of damage to the text is refused with a message that names it."""
    assert old in small_model_text
    with pytest.raises(TreeError, match=problem):
        parse_trees(small_model_text.replace(old, new, 1), len(SCHEMA))


@pytest.mark.parametrize("child", ["0", "5000", "-9", "-5000"])
def test_loops_and_strays(small_model_text: str, child: str) -> None:
    """A node that is its own child, or whose child does not exist, is refused."""
    start = small_model_text.index("left_child=") + len("left_child=")
    stop = min(small_model_text.index(mark, start) for mark in " \n")
    with pytest.raises(TreeError, match="broken structure"):
        parse_trees(small_model_text[:start] + child + small_model_text[stop:], len(SCHEMA))


def test_strange_feature(small_model_text: str) -> None:
    """A split on a feature that does not exist is refused."""
    start = small_model_text.index("split_feature=") + len("split_feature=")
    with pytest.raises(TreeError, match="does not exist"):
        parse_trees(small_model_text[:start] + "9" + small_model_text[start:], len(SCHEMA))


def test_no_text_at_all() -> None:
    """An empty text is refused."""
    with pytest.raises(TreeError):
        parse_trees("", len(SCHEMA))
