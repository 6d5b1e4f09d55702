"""The categories of candidates as numbers, and how rare they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.types import Float64Array, IndexArray

_FEW_PAPERS = 10


@dataclass(frozen=True)
class CategoryTable:
    """The categories of n papers.

    Attributes:
        names: v distinct categories, in order of first appearance.
        rows: (k,) the paper of each (paper, category) pair, ascending.
        numbers: (k,) the category of each pair, as an index into ``names``.
        primary: (n,) the first category of each paper; -1 if it has none.
    """

    names: tuple[str, ...]
    rows: IndexArray
    numbers: IndexArray
    primary: IndexArray

    @classmethod
    def of(cls, categories: Sequence[Sequence[str]]) -> "CategoryTable":
        """Return the table of the categories of papers; the first category of a paper is its primary one."""
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
        """(v,) logarithm of one over the share of papers with the category; greater for few papers."""
        counts = np.bincount(self.numbers, minlength=len(self.names))
        return np.asarray(np.log((len(self.primary) + _FEW_PAPERS) / np.maximum(counts, 1)))

    def mean_values(self, values: Mapping[str, float]) -> Float64Array:
        """Return the mean value of each paper's categories weighted by rarity; (n,), NaN for papers without any."""
        weighted = self._weights * self._of_names(values)[self.numbers]
        return np.asarray(np.bincount(self.rows, weighted, len(self.primary)) / self._totals)

    @cached_property
    def _weights(self) -> Float64Array:
        """(k,) rarity of the category of each pair."""
        return self.rarity[self.numbers]

    @cached_property
    def _totals(self) -> Float64Array:
        """(n,) sum of the weights of each paper; NaN for papers without categories."""
        # Without pairs bincount returns integers.
        total = np.bincount(self.rows, self._weights, len(self.primary)).astype(np.float64)
        total[self.primary < 0] = np.nan
        return total

    def _of_names(self, values: Mapping[str, float]) -> Float64Array:
        """Return the value of each category; (v,), 0 without a value."""
        return np.array([values.get(name, 0.0) for name in self.names], dtype=np.float64)
