"""Joins two models in LightGBM's text format into one, whose trees choose between the two at their roots.

Boosting never finds such a root: where all candidates of a query share a value, a split on it gains nothing, because
the lambdas of a query sum to zero. So the root is added here, and the trees of each side are grown separately (a
mixture of experts with a hard gate, Jacobs et al. 1991).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

_SPLIT_KEYS = ("split_feature", "split_gain", "threshold", "decision_type")
_CHILD_KEYS = ("left_child", "right_child")
_LEAF_KEYS = ("leaf_value", "leaf_weight", "leaf_count")
_INNER_KEYS = ("internal_value", "internal_weight", "internal_count")
# A missing value is NaN (2 << 2) and goes left (2).
_NAN_GOES_LEFT = "10"


def join_models(low: str, high: str, feature: int, threshold: float) -> str:
    """Return a model that scores as ``low`` where the feature is at most the threshold or unknown, else as ``high``.

    The values of each tree are shifted to a mean of 0 over its training rows, which changes no order within a side. So
    the root favours no candidate, and its feature family gets no credit.

    Args:
        low: LightGBM's text format, as ``high``. Both have the same features and numeric splits, and any number of
            trees.
    """
    head, first, tail = _parsed(low)
    _, second, _ = _parsed(high)
    # An empty tree takes the place of a missing tree on the side with fewer trees.
    pairs = zip_longest(first, second, fillvalue=_Tree({"num_leaves": "1", "leaf_value": "0"}))
    return _written(head, [_joined(*pair, feature, threshold) for pair in pairs], tail)


def split_model(text: str, feature: int, threshold: float) -> tuple[str, str] | None:
    """Undo ``join_models``, up to a constant in the scores; None if the model was not joined at this split.

    Exact SHAP values of a joined model also credit its roots, which favour no candidate. The SHAP values of the side
    that scores a row do not.
    """
    head, trees, tail = _parsed(text)
    asked = (str(feature), repr(float(threshold)))
    if any(
        (tree.of_nodes("split_feature")[:1], tree.of_nodes("threshold")[:1]) != ([asked[0]], [asked[1]])
        for tree in trees
    ):
        return None
    sides = zip(*(tree.sides() for tree in trees), strict=True)
    low, high = (_written(head, list(side), tail) for side in sides)
    return low, high


@dataclass(frozen=True)
class _Tree:
    """The fields of one tree as in the text, with nodes and leaves in their order."""

    fields: dict[str, str]

    @property
    def leaf_count(self) -> int:
        return int(self.fields["num_leaves"])

    def of_nodes(self, key: str) -> list[str]:
        """Return one text for each inner node."""
        return self.fields.get(key, "").split()

    def of_leaves(self, key: str) -> list[str]:
        """Return one text for each leaf.

        A tree of one leaf is written without counts. They become 1, because SHAP divides by them.
        """
        return self.fields.get(key, "").split() or ["1"] * self.leaf_count

    def children(self, key: str, first_node: int, first_leaf: int) -> list[str]:
        """Return each node's child, a node or -1 - leaf, with the numbers of nodes and leaves shifted."""
        found = (int(child) for child in self.of_nodes(key))
        return [str(child + first_node if child >= 0 else child - first_leaf) for child in found]

    def sides(self) -> "tuple[_Tree, _Tree]":
        """Return the two trees below the root, which stand one after the other."""
        right = int(self.of_nodes("right_child")[0])
        nodes = (right if right >= 0 else self.leaf_count - 1) - 1
        return self._part(1, nodes, 0), self._part(1 + nodes, self.leaf_count - 2 - nodes, nodes + 1)

    def _part(self, first_node: int, node_count: int, first_leaf: int) -> "_Tree":
        """Return the tree of ``node_count`` nodes from ``first_node`` on and of their leaves from ``first_leaf`` on."""
        nodes = slice(first_node, first_node + node_count)
        leaves = slice(first_leaf, first_leaf + node_count + 1)
        fields = {key: self.of_nodes(key)[nodes] for key in (*_SPLIT_KEYS, *_INNER_KEYS)}
        fields |= {key: self.children(key, -first_node, -first_leaf)[nodes] for key in _CHILD_KEYS}
        fields |= {key: self.of_leaves(key)[leaves] for key in _LEAF_KEYS}
        return _tree(node_count + 1, fields, self.fields["shrinkage"])

    def place(self, first_node: int, first_leaf: int) -> str:
        """Return this tree as a child whose nodes and leaves begin at the given numbers."""
        return str(first_node if self.leaf_count > 1 else -1 - first_leaf)

    def centred(self) -> "_Tree":
        """Return this tree with its values shifted, so that the leaves' mean over the training rows is 0."""
        values = np.array(self.of_leaves("leaf_value"), dtype=np.float64)
        counts = np.array(self.of_leaves("leaf_count"), dtype=np.float64)
        mean = float(values @ counts / counts.sum())
        leaves = " ".join(map(repr, (values - mean).tolist()))
        nodes = " ".join(f"{float(value) - mean:.6g}" for value in self.of_nodes("internal_value"))
        return _Tree({**self.fields, "leaf_value": leaves, "internal_value": nodes})


def _tree(leaf_count: int, fields: Mapping[str, Sequence[str]], shrinkage: str) -> _Tree:
    """Return a tree whose fields stand in LightGBM's order."""
    keys = (*_SPLIT_KEYS, *_CHILD_KEYS, *_LEAF_KEYS, *_INNER_KEYS)
    texts = {key: " ".join(fields[key]) for key in keys}
    return _Tree({"num_leaves": str(leaf_count), "num_cat": "0", **texts, "is_linear": "0", "shrinkage": shrinkage})


def _joined(left: _Tree, right: _Tree, feature: int, threshold: float) -> _Tree:
    """Return one tree: a split, with the two centred trees below it."""
    left, right = left.centred(), right.centred()
    size = left.leaf_count
    count = sum(int(float(each)) for tree in (left, right) for each in tree.of_leaves("leaf_count"))
    root = {
        **dict(zip(_SPLIT_KEYS, (str(feature), "0", repr(float(threshold)), _NAN_GOES_LEFT), strict=True)),
        **dict(zip(_INNER_KEYS, ("0", "0", str(count)), strict=True)),
        **dict(zip(_CHILD_KEYS, (left.place(1, 0), right.place(size, size)), strict=True)),
    }
    fields = {key: [root[key], *left.of_nodes(key), *right.of_nodes(key)] for key in (*_SPLIT_KEYS, *_INNER_KEYS)}
    for key in _CHILD_KEYS:
        fields[key] = [root[key], *left.children(key, 1, 0), *right.children(key, size, size)]
    fields |= {key: left.of_leaves(key) + right.of_leaves(key) for key in _LEAF_KEYS}
    shrinkage = left.fields.get("shrinkage") or right.fields.get("shrinkage") or "1"
    return _tree(size + right.leaf_count, fields, shrinkage)


def _parsed(text: str) -> tuple[str, list[_Tree], str]:
    """Return the text before the trees, the trees, and the text after "end of trees"."""
    head, *blocks = text.split("\nTree=")
    blocks[-1], tail = blocks[-1].split("\nend of trees", 1)
    lines = ([line.split("=", 1) for line in block.split("\n") if "=" in line] for block in blocks)
    return head, [_Tree(dict(block)) for block in lines], tail


def _written(head: str, trees: Sequence[_Tree], tail: str) -> str:
    """Return the text that ``_parsed`` splits into these parts."""
    lines = ("\n".join(f"{key}={value}" for key, value in tree.fields.items()) for tree in trees)
    blocks = [f"Tree={number}\n{fields}\n\n\n" for number, fields in enumerate(lines)]
    sizes = " ".join(str(len(block)) for block in blocks)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return f"{head.rstrip()}\n\n{''.join(blocks)}end of trees{tail}"
