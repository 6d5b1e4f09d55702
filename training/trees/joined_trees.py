"""Two models in LightGBM's text format as one: each tree asks at its root which of the two it is.

Boosting never finds such a root by itself: where all candidates of a query share a value, a split on it gains nothing,
as the lambdas of a query sum to zero. So it is made by hand, and the trees on either side are grown by themselves (a
mixture of experts with a hard gate, Jacobs et al. 1991).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from ranker.types import Float64Array

_NODE_KEYS = (
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    *("internal_" + each for each in ("value", "weight", "count")),
)
_CHILD_KEYS = ("left_child", "right_child")
_LEAF_KEYS = ("leaf_value", "leaf_weight", "leaf_count")
# A missing value is NaN (2 << 2) and goes left (2).
_NAN_GOES_LEFT = "10"


def join_models(low: str, high: str, feature: int, threshold: float) -> str:
    """One model that scores as ``low`` where the feature is at most the threshold or unknown, as ``high`` elsewhere.

    Each tree's values are shifted so that their mean over its training rows is 0, which changes no order within one
    side; so the root itself speaks for no candidate, and its family is credited with nothing.

    Args:
        low: LightGBM's text format, as ``high``: over the same features, numeric splits, any numbers of trees.
    """
    head, first, tail = _parsed(low)
    _, second, _ = _parsed(high)
    root = _Root(feature, threshold)
    pairs = zip_longest(first, second, fillvalue=_NOTHING)
    return _written(head, [root.over(*pair) for pair in pairs], tail)


def split_model(text: str, feature: int, threshold: float) -> tuple[str, str] | None:
    """The two models that ``join_models`` made one of, up to a constant in their scores; None where it did not.

    Exact SHAP values of a joined model also credit its roots, which speak for no candidate. Those of the side that a
    row is scored by do not.
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
    """One tree's fields, as the text has them; all nodes and leaves in their order."""

    fields: dict[str, str]

    @property
    def leaf_count(self) -> int:
        return int(self.fields["num_leaves"])

    def of_nodes(self, key: str) -> list[str]:
        """One text for each inner node."""
        return self.fields.get(key, "").split()

    def of_leaves(self, key: str) -> list[str]:
        """One text for each leaf; a tree that is one leaf is written without counts, which SHAP would divide by."""
        return self.fields.get(key, "").split() or ["1"] * self.leaf_count

    def children(self, key: str, first_node: int, first_leaf: int) -> list[str]:
        """Of each node: the number of a node, or -1 - leaf, in a tree where this one's begin at those numbers."""
        found = (int(child) for child in self.of_nodes(key))
        return [str(child + first_node if child >= 0 else child - first_leaf) for child in found]

    def sides(self) -> "tuple[_Tree, _Tree]":
        """The trees below the root, which stand one after the other."""
        right = int(self.of_nodes("right_child")[0])
        nodes = (right if right >= 0 else self.leaf_count - 1) - 1
        return self._part(1, nodes, 0), self._part(1 + nodes, self.leaf_count - 2 - nodes, nodes + 1)

    def _part(self, first_node: int, node_count: int, first_leaf: int) -> "_Tree":
        """So many nodes from one on, and the leaves from another on that belong to them."""
        nodes = slice(first_node, first_node + node_count)
        leaves = slice(first_leaf, first_leaf + node_count + 1)
        fields = {"num_leaves": str(node_count + 1), "num_cat": "0"}
        fields |= {key: " ".join(self.of_nodes(key)[nodes]) for key in _NODE_KEYS}
        fields |= {key: " ".join(self.children(key, -first_node, -first_leaf)[nodes]) for key in _CHILD_KEYS}
        fields |= {key: " ".join(self.of_leaves(key)[leaves]) for key in _LEAF_KEYS}
        return _Tree({**fields, "is_linear": "0", "shrinkage": self.fields["shrinkage"]})

    def place(self, first_node: int, first_leaf: int) -> str:
        """This tree as a child, likewise."""
        return str(first_node if self.leaf_count > 1 else -1 - first_leaf)

    @property
    def mean(self) -> float:
        """Of the leaves' values over the training rows."""
        counts = np.array(self.of_leaves("leaf_count"), dtype=np.float64)
        return float(self._values @ counts / counts.sum())

    @property
    def centred_leaves(self) -> list[str]:
        """The leaves' values with a mean of 0."""
        return [repr(value) for value in (self._values - self.mean).tolist()]

    @property
    def centred_nodes(self) -> list[str]:
        """The nodes' values, likewise."""
        return [f"{float(value) - self.mean:.6g}" for value in self.of_nodes("internal_value")]

    @property
    def _values(self) -> Float64Array:
        return np.array(self.of_leaves("leaf_value"), dtype=np.float64)


# Stands for the trees that one side has fewer than the other.
_NOTHING = _Tree({"num_leaves": "1", "leaf_value": "0"})


@dataclass(frozen=True)
class _Root:
    """The split that is put over two trees."""

    feature: int
    threshold: float

    def over(self, left: _Tree, right: _Tree) -> _Tree:
        """The joined tree."""
        nodes, leaves = left.leaf_count, left.leaf_count
        count = sum(int(float(each)) for tree in (left, right) for each in tree.of_leaves("leaf_count"))

        def joined(root: Sequence[str], *parts: Sequence[str]) -> str:
            return " ".join([*root, *(word for part in parts for word in part)])

        def of_nodes(key: str, root: str) -> str:
            return joined([root], left.of_nodes(key), right.of_nodes(key))

        def of_leaves(key: str) -> str:
            return joined([], left.of_leaves(key), right.of_leaves(key))

        def children(key: str, root: str) -> str:
            return joined([root], left.children(key, 1, 0), right.children(key, nodes, leaves))

        return _Tree(
            {
                "num_leaves": str(left.leaf_count + right.leaf_count),
                "num_cat": "0",
                "split_feature": of_nodes("split_feature", str(self.feature)),
                "split_gain": of_nodes("split_gain", "0"),
                "threshold": of_nodes("threshold", repr(float(self.threshold))),
                "decision_type": of_nodes("decision_type", _NAN_GOES_LEFT),
                "left_child": children("left_child", left.place(1, 0)),
                "right_child": children("right_child", right.place(nodes, leaves)),
                "leaf_value": joined([], left.centred_leaves, right.centred_leaves),
                "leaf_weight": of_leaves("leaf_weight"),
                "leaf_count": of_leaves("leaf_count"),
                "internal_value": joined(["0"], left.centred_nodes, right.centred_nodes),
                "internal_weight": of_nodes("internal_weight", "0"),
                "internal_count": of_nodes("internal_count", str(count)),
                "is_linear": "0",
                "shrinkage": left.fields.get("shrinkage") or right.fields.get("shrinkage") or "1",
            }
        )


def _parsed(text: str) -> tuple[str, list[_Tree], str]:
    """What stands before the trees, the trees, and what stands after "end of trees"."""
    head, *blocks = text.split("\nTree=")
    blocks[-1], tail = blocks[-1].split("\nend of trees", 1)
    lines = ([line.split("=", 1) for line in block.split("\n") if "=" in line] for block in blocks)
    return head, [_Tree(dict(block)) for block in lines], tail


def _written(head: str, trees: Sequence[_Tree], tail: str) -> str:
    """The text of which ``_parsed`` makes these parts."""
    lines = ("\n".join(f"{key}={value}" for key, value in tree.fields.items()) for tree in trees)
    blocks = [f"Tree={number}\n{fields}\n\n\n" for number, fields in enumerate(lines)]
    sizes = " ".join(str(len(block)) for block in blocks)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return f"{head.rstrip()}\n\n{''.join(blocks)}end of trees{tail}"
