"""Scores from feature rows: LightGBM finds each row's leaves, tables give what a leaf is worth and to which family."""

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
    """A LambdaMART model, ready to score; safe to share between threads.

    Scoring in two steps costs no more than LightGBM's own sum (finding leaves alone is a fifth faster than predicting),
    and explaining then needs no second pass.

    Attributes:
        text: LightGBM's text format.
        family_of: For each feature the number of its family.
    """

    text: str
    trees: Trees
    family_of: tuple[int, ...]

    @cached_property
    def booster(self) -> "lightgbm.Booster":
        """LightGBM's own object; importing lightgbm is put off until something is scored."""
        import lightgbm  # noqa: PLC0415

        return lightgbm.Booster(model_str=self.text)

    def leaves(self, features: Float32Array) -> Int32Array:
        """(n, trees) places in the leaf tables; rows are independent, so users may be stacked here."""
        if not len(features):
            return np.empty((0, len(self.trees.leaf_counts)), dtype=np.int32)
        found: Any = self.booster.predict(features, pred_leaf=True, num_threads=1)
        places = np.asarray(found).astype(np.int32).reshape(len(features), -1)
        places += self._tree_starts
        return places

    def scores(self, leaves: Int32Array) -> Float64Array:
        """(n,) float64, rounded to 1e-6 so that other processors' last bits do not change an order."""
        sums: Float64Array = np.add.reduce(self._leaf_values.take(leaves), axis=1)
        # Adding 0 turns -0.0 into 0.0.
        return np.asarray(np.round(sums, 6) + 0.0)

    def contributions(self, leaves: Int32Array) -> Float32Array:
        """(n, families) float32; a row plus the mean score over the training rows is the score but for rounding."""
        return sums_of_rows(self._family_table, leaves)

    @cached_property
    def _tree_starts(self) -> Int32Array:
        width = self.trees.leaf_values.shape[1]
        return np.asarray(np.arange(len(self.trees.leaf_counts)) * width, dtype=np.int32)

    @cached_property
    def _leaf_values(self) -> Float64Array:
        return self.trees.leaf_values.ravel()

    @cached_property
    def _family_table(self) -> Float32Array:
        # Half the memory: every feed goes through all of it.
        return family_table(self.trees, self.family_of).astype(np.float32)


def read_model(text: str, family_of: tuple[int, ...]) -> Model:
    """A model from LightGBM's text format.

    Raises:
        ranker.trees.TreeError: The text is no sound model over ``len(family_of)`` features.
    """
    return Model(text=text, trees=parse_trees(text, len(family_of)), family_of=family_of)


def best_first(scores: Float64Array, id_ranks: IndexArray) -> IndexArray:
    """(n,) rows by falling score; equal scores by rising paper_id."""
    order: IndexArray = np.lexsort((id_ranks, -scores))
    return order
