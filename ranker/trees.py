"""Reads LightGBM's text model into arrays and checks it.

Only models as paperfeed trains them are accepted: numeric splits, constant leaves, one output. LightGBM does not check
its input, so a model with a broken tree structure must be refused here.
"""

from dataclasses import dataclass

import numpy as np

from ranker.types import Float64Array, Int32Array

_NODE_KEYS = ("split_feature", "left_child", "right_child")


class TreeError(ValueError):
    """A text that is not a valid model. The message completes a sentence that begins with the file's name."""


@dataclass(frozen=True)
class Trees:
    """Arrays of t trees of at most m leaves, padded.

    Attributes:
        leaf_counts: (t,) int32 number of leaves of each tree.
        split_features: (t, m - 1) int32 feature of each node; -1 beyond a tree's last node.
        children: (t, m - 1, 2) int32 left and right child of each node: the number of a node, or -1 - leaf.
        leaf_values: (t, m) float64; 0 beyond a tree's last leaf.
        leaf_weights: (t, m) float64 number of training rows in each leaf; 0 beyond a tree's last leaf.
    """

    leaf_counts: Int32Array
    split_features: Int32Array
    children: Int32Array
    leaf_values: Float64Array
    leaf_weights: Float64Array


def parse_trees(text: str, feature_count: int) -> Trees:
    """Read the trees of a LightGBM text model.

    Raises:
        TreeError: The text is not a model, is a model of a kind that is not accepted, or has a broken tree structure.
    """
    head, *blocks = text.split("\nTree=")
    if not head.startswith("tree\n") or not blocks or "\nend of trees" not in blocks[-1]:
        raise TreeError("is not a complete LightGBM text model")
    _check_head(_fields(head), feature_count)
    trees = [_fields(block.split("\nend of trees")[0]) for block in blocks]
    if any(tree.get("num_cat") != "0" or tree.get("is_linear", "0") != "0" for tree in trees):
        raise TreeError("has categorical splits or linear leaves, which are not supported")
    try:
        parsed = _arrays(trees)
    except (KeyError, ValueError, OverflowError) as error:
        raise TreeError(f"has a tree that cannot be read ({error})") from error
    _check_structure(parsed, feature_count)
    return parsed


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)


def _check_head(head: dict[str, str], feature_count: int) -> None:
    if head.get("num_class") != "1" or head.get("num_tree_per_iteration") != "1":
        raise TreeError("has more than one output, which is not supported")
    if head.get("max_feature_idx") != str(feature_count - 1):
        raise TreeError(f"uses features up to number {head.get('max_feature_idx')}, not {feature_count - 1}")


def _arrays(trees: list[dict[str, str]]) -> Trees:
    # LightGBM would read the categories of a categorical split from where there are none.
    if any(int(kind) & 1 for tree in trees for kind in tree.get("decision_type", "").split()):
        raise ValueError("a split is categorical")
    leaf_counts = np.array([int(tree["num_leaves"]) for tree in trees], dtype=np.int32)
    if leaf_counts.min() < 1 or leaf_counts.max() > 100_000:
        raise ValueError("num_leaves must be 1 to 100000")
    nodes, leaves = leaf_counts - 1, leaf_counts
    split, left, right = (_padded(trees, key, nodes, -1.0).astype(np.int32) for key in _NODE_KEYS)
    return Trees(
        leaf_counts=leaf_counts,
        split_features=split,
        children=np.stack((left, right), axis=2),
        leaf_values=_padded(trees, "leaf_value", leaves, 0.0),
        leaf_weights=_padded(trees, "leaf_count", leaves, 0.0, missing=1.0),
    )


def _padded(
    trees: list[dict[str, str]], key: str, sizes: Int32Array, fill: float, missing: float | None = None
) -> Float64Array:
    """Return the numbers that each tree has under ``key``; (t, max(sizes)) float64.

    Args:
        sizes: (t,) how many numbers each tree must have.
        fill: Value beyond a tree's last number.
        missing: Value of all numbers of a tree without the field; None refuses such a tree.
    """
    out = np.full((len(trees), max(int(sizes.max()), 0)), fill)
    rows = [tree.get(key, "").split() for tree in trees]
    if missing is not None:
        # LightGBM writes a tree of a single leaf without counts.
        rows = [row or [str(missing)] * size for row, size in zip(rows, sizes.tolist(), strict=True)]
    wrong = [number for number, (row, size) in enumerate(zip(rows, sizes.tolist(), strict=True)) if len(row) != size]
    if wrong:
        raise ValueError(f"{key} of tree {wrong[0]} has the wrong number of values")
    # One conversion for all trees: there are many small ones.
    values = np.array([value for row in rows for value in row], dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"{key} is not finite")
    out[np.arange(out.shape[1]) < sizes[:, None]] = values
    return out


def _check_structure(trees: Trees, feature_count: int) -> None:
    """Check that each node and leaf except the root is the child of one earlier node, so every path ends in a leaf.

    Raises:
        TreeError: The check fails, a node splits on an unknown feature, or a leaf has a negative count.
    """
    node_count = trees.split_features.shape[1]
    real = np.arange(node_count) < (trees.leaf_counts - 1)[:, None]
    features = trees.split_features[real]
    if ((features < 0) | (features >= feature_count)).any():
        raise TreeError("splits on a feature that does not exist")
    tree, node, side = np.nonzero(np.repeat(real[:, :, None], 2, axis=2))
    child = trees.children[tree, node, side]
    leaves = trees.leaf_counts[tree]
    is_node = child >= 0
    in_range = np.where(is_node, (child > node) & (child < leaves - 1), -1 - child < leaves)
    keys = tree * (2 * node_count + 3) + np.where(is_node, child, node_count + 1 - child)
    if not in_range.all() or len(np.unique(keys)) != len(keys):
        raise TreeError("has a tree with a broken structure: a node or leaf is missing or has two parents")
    if (trees.leaf_weights < 0).any():
        raise TreeError("has a leaf with a negative count")


def node_means(trees: Trees) -> tuple[Float64Array, Float64Array]:
    """Return the mean value and the number of training rows below each node.

    Both are (t, m - 1) float64, 0 beyond a tree's last node.
    """
    node_count = trees.split_features.shape[1]
    rows = np.arange(len(trees.leaf_counts))
    totals = np.zeros((len(rows), node_count))
    weights = np.zeros((len(rows), node_count))
    # Avoids a division by zero.
    leaf_weights = np.maximum(trees.leaf_weights, 1e-9)
    leaf_totals = trees.leaf_values * leaf_weights
    for node in range(node_count - 1, -1, -1):
        real = rows[trees.split_features[:, node] >= 0]
        for side in (0, 1):
            child = trees.children[real, node, side]
            is_node = child >= 0
            below, leaf = np.where(is_node, child, 0), np.where(is_node, 0, -1 - child)
            totals[real, node] += np.where(is_node, totals[real, below], leaf_totals[real, leaf])
            weights[real, node] += np.where(is_node, weights[real, below], leaf_weights[real, leaf])
    return totals / np.maximum(weights, 1e-300), weights
