"""The categories of candidates as numbers, and which of them tell candidates apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.types import Float64Array, IndexArray

_FEW_PAPERS = 10


@dataclass(frozen=True)
class CategoryTable:
    """Categories of n papers.

    Attributes:
        names: (v,) distinct categories, in order of first appearance.
        rows: (k,) for each (paper, category) pair the paper, ascending.
        numbers: (k,) the category.
        primary: (n,) each paper's first category; -1 where it has none.
    """

    names: tuple[str, ...]
    rows: IndexArray
    numbers: IndexArray
    primary: IndexArray

    @classmethod
    def of(cls, categories: Sequence[Sequence[str]]) -> "CategoryTable":
        """The table of papers' categories; the first one is a paper's primary category."""
        number_of: dict[str, int] = {}
        for found in categories:
            for name in found:
                number_of.setdefault(name, len(number_of))
        distinct = [list(dict.fromkeys(number_of[name] for name in found)) for found in categories]
        return cls(
            names=tuple(number_of),
            rows=np.repeat(np.arange(len(distinct)), [len(found) for found in distinct]),
            numbers=np.array([number for found in distinct for number in found], dtype=np.intp),
            primary=np.array([found[0] if found else -1 for found in distinct], dtype=np.intp),
        )

    @cached_property
    def rarity(self) -> Float64Array:
        """(v,) logarithm of one over the share of papers that have the category, drawn towards rare for few papers."""
        counts = np.bincount(self.numbers, minlength=len(self.names))
        return np.asarray(np.log((len(self.primary) + _FEW_PAPERS) / np.maximum(counts, 1)))

    def primary_values(self, values: Mapping[str, float]) -> Float64Array:
        """(n,) the value of each paper's primary category, 0 where it has no value; NaN for papers without any."""
        return np.append(self._of_names(values), np.nan)[self.primary]

    def mean_values(self, values: Mapping[str, float]) -> Float64Array:
        """(n,) mean value over each paper's categories, the rare ones weighing more; NaN for papers without any."""
        weighted = self._weights * self._of_names(values)[self.numbers]
        return np.asarray(np.bincount(self.rows, weighted, len(self.primary)) / self._totals)

    @cached_property
    def _weights(self) -> Float64Array:
        """(k,) of each pair."""
        return self.rarity[self.numbers]

    @cached_property
    def _totals(self) -> Float64Array:
        """(n,) of the weights; NaN for papers without categories."""
        # Of nothing at all bincount makes whole numbers.
        total = np.bincount(self.rows, self._weights, len(self.primary)).astype(np.float64)
        total[self.primary < 0] = np.nan
        return total

    def _of_names(self, values: Mapping[str, float]) -> Float64Array:
        return np.array([values.get(name, 0.0) for name in self.names], dtype=np.float64)
