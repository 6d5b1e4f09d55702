"""Scores from feature rows: a weighted sum of a few features, and trees that correct it.

LightGBM finds the leaves of each row, and tables hold the value of each leaf by family.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.reasons.explain import family_table
from ranker.spaces.sparse import sums_of_rows
from ranker.trees import Trees, parse_trees
from ranker.types import Float32Array, Float64Array, IndexArray, Int32Array

if TYPE_CHECKING:
    import lightgbm


@dataclass(frozen=True)
class Model:
    """A LambdaMART model; threads may share it.

    Scoring takes two steps: finding the leaves, and summing their values. This takes no longer than LightGBM's own
    prediction, and explanations reuse the leaves.

    Attributes:
        base: (features,) float32 weights of the sum that the trees correct; a feature of unknown value adds nothing.
        family_of: The number of the family of each feature.
    """

    text: str
    trees: Trees
    base: Float32Array
    family_of: tuple[int, ...]

    @cached_property
    def booster(self) -> "lightgbm.Booster":
        """LightGBM's model object; the first access imports lightgbm."""
        import lightgbm  # noqa: PLC0415

        return lightgbm.Booster(model_str=self.text)

    def leaves(self, features: Float32Array) -> Int32Array:
        """Return the leaves of each row as rows of the leaf tables; (n, trees).

        Rows are independent, so one call may serve several users.
        """
        if not len(features):
            return np.empty((0, len(self.trees.leaf_counts)), dtype=np.int32)
        found: Any = self.booster.predict(features, pred_leaf=True, num_threads=1)
        places = np.asarray(found).astype(np.int32).reshape(len(features), -1)
        places += self._tree_starts
        return places

    def scores(self, features: Float32Array, leaves: Int32Array) -> Float64Array:
        """Return the score of each row; (n,) float64, rounded to 1e-6 so that processors agree on the order.

        Args:
            leaves: Output of ``leaves`` for the features.
        """
        sums: Float64Array = np.add.reduce(self._leaf_values.take(leaves), axis=1) + base_scores(features, self.base)
        # The addition turns -0.0 into 0.0.
        return np.asarray(np.round(sums, 6) + 0.0)

    def contributions(self, features: Float32Array, leaves: Int32Array) -> Float32Array:
        """Return what each family adds to the score of each row; (n, families) float32.

        Up to rounding, a row's score is the sum of its contributions plus the mean of the trees on the training rows.
        """
        found = sums_of_rows(self._family_table, leaves)
        for column in np.flatnonzero(self.base).tolist():
            found[:, self.family_of[column]] += np.nan_to_num(features[:, column]) * self.base[column]
        return found

    @cached_property
    def _tree_starts(self) -> Int32Array:
        width = self.trees.leaf_values.shape[1]
        return np.asarray(np.arange(len(self.trees.leaf_counts)) * width, dtype=np.int32)

    @cached_property
    def _leaf_values(self) -> Float64Array:
        return self.trees.leaf_values.ravel()

    @cached_property
    def _family_table(self) -> Float32Array:
        # float32 halves the memory that every feed reads.
        return family_table(self.trees, self.family_of).astype(np.float32)


def base_scores(features: Float32Array, base: Float32Array) -> Float64Array:
    """Return the sum of each row's features weighted by ``base``; (n,) float64, unknown values count as 0."""
    used = np.flatnonzero(base)
    return np.asarray(np.nan_to_num(features[:, used]).astype(np.float64) @ base[used])


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
