"""Scores from feature rows: a weighted sum of a few features, and trees that correct it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.reasons.explain import family_table
from ranker.spaces.sparse import sums_of_rows
from ranker.trees import Trees, parse_trees
from ranker.types import Float32Array, Float64Array, IndexArray


@dataclass(frozen=True)
class Model:
    """A LambdaMART model; threads may share it.

    Scoring takes two steps: finding the leaves, and summing their values. Explanations reuse the leaves.

    Attributes:
        text: The model in LightGBM's text format, from which more trees can be grown.
        base: (features,) float32 weights of the sum that the trees correct; a feature of unknown value adds nothing.
        family_of: The number of the family of each feature.
    """

    text: str
    trees: Trees
    base: Float32Array
    family_of: tuple[int, ...]

    def leaves(self, features: Float32Array) -> IndexArray:
        """Return the leaf of each row in each tree, as a row of the leaf tables; (trees, n).

        Rows are independent, so one call may serve several users.
        """
        return self.trees.leaves(features)

    def scores(self, features: Float32Array, leaves: IndexArray) -> Float64Array:
        """Return the score of each row; (n,) float64, rounded to 1e-6 so that processors agree on the order.

        Args:
            leaves: Output of ``leaves`` for the features.
        """
        sums: Float64Array = self.trees.leaf_values.take(leaves).sum(axis=0) + base_scores(features, self.base)
        # The addition turns -0.0 into 0.0.
        return np.asarray(np.round(sums, 6) + 0.0)

    def contributions(self, features: Float32Array, leaves: IndexArray) -> Float32Array:
        """Return what each family adds to the score of each row; (n, families) float32.

        Up to rounding, a row's score is the sum of its contributions plus the mean of the trees on the training rows.
        """
        return self.tree_contributions(leaves) + self.base_contributions(features)

    def tree_contributions(self, leaves: IndexArray) -> Float32Array:
        """Return the part of each family in the trees' correction of each row's score; (n, families) float32."""
        return sums_of_rows(self._family_table, leaves.T)

    def base_contributions(self, features: Float32Array) -> Float32Array:
        """Return the part of each family in each row's weighted sum; (n, families) float32."""
        used = np.flatnonzero(self.base)
        return np.asarray(_known(features, used) @ self._base_table[used])

    @cached_property
    def _base_table(self) -> Float32Array:
        """(features, families) the weight of each feature in its family."""
        own = np.array(self.family_of)[:, None] == np.arange(self._family_table.shape[1])
        return np.asarray(self.base[:, None] * own)

    @cached_property
    def _family_table(self) -> Float32Array:
        # float32 halves the memory that every feed reads.
        return family_table(self.trees, self.family_of).astype(np.float32)


def base_scores(features: Float32Array, base: Float32Array) -> Float64Array:
    """Return the sum of each row's features weighted by ``base``; (n,) float64, unknown values count as 0."""
    used = np.flatnonzero(base)
    return np.asarray(_known(features, used).astype(np.float64) @ base[used])


def _known(features: Float32Array, columns: IndexArray) -> Float32Array:
    """Return some columns of the features, with 0 for unknown values."""
    found = features[:, columns]
    return np.where(np.isnan(found), np.float32(0), found)


def read_model(text: str, base: Float32Array, family_of: tuple[int, ...]) -> Model:
    """Read a model from LightGBM's text format.

    Raises:
        ranker.trees.TreeError: The text is not a valid model of ``len(family_of)`` features.
    """
    return Model(text, parse_trees(text, len(family_of)), base, family_of)


def best_first(scores: Float64Array, id_ranks: IndexArray) -> IndexArray:
    """Return the rows by falling score, equal scores by rising paper_id; (n,)."""
    order: IndexArray = np.lexsort((id_ranks, -scores))
    return order
