"""Reads LightGBM's text model into arrays, checks it, and finds the leaves of rows.

Only the kind of models that paperfeed trains is accepted: numeric splits, constant leaves, one output, small trees.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray, Int32Array

MOST_LEAVES = 64
"""Most leaves of a tree: each is a bit of a number."""
_NODE_KEYS = ("split_feature", "left_child", "right_child")
_UNKNOWN_AS = {0: 2, 2: 2, 8: 0, 10: 1}
"""The part of ``_places`` that a node reads, by LightGBM's decision_type."""
_CELLS = 2**18
"""Number of pairs of a row and a node that are compared at once: their values stay in the processor's cache."""


class TreeError(ValueError):
    """A text that is not a valid model. The message completes a sentence that begins with the file's name."""


@dataclass(frozen=True)
class Trees:
    """Arrays of t trees of at most m leaves, padded.

    Attributes:
        leaf_counts: (t,) int32 number of leaves of each tree.
        split_features: (t, m - 1) int32 feature of each node; -1 beyond a tree's last node.
        thresholds: (t, m - 1) float32; rows with a value up to the threshold go to the left child.
        places: (t, m - 1) int32 row of ``_places`` that holds the value of each node.
        children: (t, m - 1, 2) int32 left and right child of each node: the number of a node, or -1 - leaf.
        leaf_values: (t, m) float64; 0 beyond a tree's last leaf.
        leaf_weights: (t, m) float64 number of training rows in each leaf; 0 beyond a tree's last leaf.
    """

    leaf_counts: Int32Array
    split_features: Int32Array
    thresholds: Float32Array
    places: Int32Array
    children: Int32Array
    leaf_values: Float64Array
    leaf_weights: Float64Array

    @cached_property
    def below(self) -> BoolArray:
        """(t, m - 1, 2, m) whether each leaf is below the left and the right child of each node."""
        found = np.zeros((*self.children.shape, self.leaf_values.shape[1]), dtype=np.bool_)
        # The children of a node come after it.
        for node in range(self.children.shape[1] - 1, -1, -1):
            real = np.flatnonzero(self.split_features[:, node] >= 0)
            for side in (0, 1):
                child = self.children[real, node, side]
                inner, outer = real[child >= 0], real[child < 0]
                found[inner, node, side] = found[inner, child[child >= 0]].any(axis=1)
                found[outer, node, side, -1 - child[child < 0]] = True
        return found

    def leaves(self, features: Float32Array) -> IndexArray:
        """Return the leaf of each row in each tree, as a row of the flattened leaf tables; (t, n).

        Args:
            features: (n, features) float32, NaN unknown.
        """
        found = np.empty((len(self.leaf_counts), len(features)), dtype=np.intp)
        size = max(_CELLS // max(self.split_features.size, 1), 1)
        for start in range(0, len(features), size):
            rows = slice(start, start + size)
            found[:, rows] = self._numbers(np.ascontiguousarray(features[rows].T))
        found += np.arange(len(found))[:, None] * self.leaf_values.shape[1]
        return found

    def _numbers(self, values: Float32Array) -> Any:
        """Return the number of the leaf of each row in each tree; (t, n).

        Each row is compared with all nodes, and each node rules out the leaves on the side that the row does not go to.
        One leaf of each tree remains. For small trees this takes a third of the time of following each row from node to
        node.

        Args:
            values: (features, n) float32.
        """
        places, thresholds, if_right, change, all_leaves = self._bits
        goes_left = _places(values).take(places, axis=0) <= thresholds
        left = np.bitwise_and.reduce(if_right ^ goes_left * change, axis=0) & all_leaves
        # The number of zeros below the bit that is left.
        return np.bitwise_count(left - 1)

    @cached_property
    def _bits(self) -> tuple[Any, ...]:
        """All (m - 1, t, 1) arrays of nodes that ``_numbers`` reads, and (t, 1) the leaves of each tree.

        A number holds one bit for each leaf. The third array holds the leaves that are possible for rows that go to the
        right, the fourth the bits to change for rows that go to the left.
        """
        count = self.leaf_values.shape[1]
        dtype = np.min_scalar_type(2**count - 1)
        bits = (1 << np.arange(count, dtype=np.uint64)).astype(dtype)
        # The leaves below two children are different, so that sums hold the bits of all.
        below = (self.below * bits).sum(axis=3, dtype=dtype).T[..., None]
        all_leaves = ((np.arange(count) < self.leaf_counts[:, None]) * bits).sum(axis=1, dtype=dtype)
        return self.places.T, self.thresholds.T[..., None], ~below[0], below[0] ^ below[1], all_leaves[:, None]


def _places(values: Float32Array) -> Float32Array:
    """Return the values with unknown ones as greatest, then as least, then as zero; (3 * features, n)."""
    unknown = np.isnan(values)
    # Comparisons with NaN are false, so NaN counts as greater than any threshold.
    return np.concatenate((values, np.where(unknown, -np.inf, values), np.where(unknown, 0, values)))


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
        parsed = _arrays(trees, feature_count)
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


def _arrays(trees: list[dict[str, str]], feature_count: int) -> Trees:
    leaf_counts = np.array([int(tree["num_leaves"]) for tree in trees], dtype=np.int32)
    if leaf_counts.min() < 1 or leaf_counts.max() > MOST_LEAVES:
        raise ValueError(f"num_leaves must be 1 to {MOST_LEAVES}")
    nodes, leaves = leaf_counts - 1, leaf_counts
    split, left, right = (_padded(trees, key, nodes, -1.0).astype(np.int32) for key in _NODE_KEYS)
    decisions = _padded(trees, "decision_type", nodes, 8.0)
    if not np.isin(decisions, list(_UNKNOWN_AS)).all():
        raise ValueError("a decision_type is not supported")
    unknown_as = np.vectorize(_UNKNOWN_AS.__getitem__, otypes=[np.int32])(decisions)
    return Trees(
        leaf_counts=leaf_counts,
        split_features=split,
        thresholds=_rounded_down(_padded(trees, "threshold", nodes, 0.0)),
        places=split + unknown_as * feature_count,
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
    # LightGBM writes an infinite threshold where all known values go to the left.
    if np.isnan(values).any() or (key != "threshold" and np.isinf(values).any()):
        raise ValueError(f"{key} is not finite")
    out[np.arange(out.shape[1]) < sizes[:, None]] = values
    return out


def _rounded_down(values: Float64Array) -> Float32Array:
    """Return the greatest float32 that is at most each value: float32 features then compare as with the value."""
    with np.errstate(over="ignore"):
        found = values.astype(np.float32)
    return np.where(found > values, np.nextafter(found, np.float32(-np.inf)), found)


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
    # The maximum avoids a division by zero.
    weights = trees.below.any(axis=2) * np.maximum(trees.leaf_weights, 1e-9)[:, None]
    counts = weights.sum(axis=2)
    return (weights * trees.leaf_values[:, None]).sum(axis=2) / np.maximum(counts, 1e-300), counts
