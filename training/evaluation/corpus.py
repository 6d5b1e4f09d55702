"""The papers of an evaluation as baselines see them: vectors and term counts, restricted to each round.

Terms are counted once. Idf and whitening are derived for each round from the visible rows, and from no other row.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from ranker.papers import PaperColumns
from ranker.spaces.linear import inverse_root, unit_rows
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray


@dataclass(frozen=True)
class Corpus:
    """All papers of an evaluation, also those of later rounds.

    Attributes:
        columns: Papers without authors, upvotes and signals; see ``anonymous``.
        units: (n, d) float32 of unit length; zeros where there is no vector.
    """

    columns: PaperColumns
    units: Float32Array

    @classmethod
    def of(cls, columns: PaperColumns) -> "Corpus":
        """Return the papers as a system may see them."""
        hidden = anonymous(columns)
        return cls(hidden, np.nan_to_num(unit_rows(hidden.embeddings), nan=0.0))

    @cached_property
    def counts(self) -> Any:
        """(n, vocabulary) scipy CSR of float64: counts of each word and pair of words in each text."""
        from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415 (two seconds to import)

        vectorizer = CountVectorizer(ngram_range=(1, 2), stop_words="english", dtype=np.float64)
        try:
            found = vectorizer.fit_transform(self.columns.texts).tocsr()
        except ValueError:  # no text has a word; scikit-learn has no error class for this
            return scipy.sparse.csr_matrix((len(self.columns), 1))
        # Otherwise terms stand in the order of first occurrence, and a later paper would change the last bits of sums.
        found.sort_indices()
        return found

    def view(self, visible: IndexArray, candidates: IndexArray) -> "View":
        """Return the view of a round: visible rows to learn from, and the candidates' own texts and vectors."""
        return View(self, visible, candidates)


class View:
    """A corpus in one round. Only ``visible`` rows enter idf and whitening.

    Arrays have a row for each paper of ``rows``; ``local`` returns its position.
    """

    def __init__(self, corpus: Corpus, visible: IndexArray, candidates: IndexArray) -> None:
        self._corpus = corpus
        self.visible = visible
        self.candidates = candidates
        self.rows = np.union1d(visible, candidates)
        self._spaces: dict[float, Float32Array] = {}
        self.shared: dict[str, Any] = {}
        """Values that baselines share within the round."""

    def local(self, rows: IndexArray) -> IndexArray:
        """Return the positions of papers in the view's arrays."""
        return np.searchsorted(self.rows, rows)

    @property
    def paper_ids(self) -> tuple[str, ...]:
        """Paper ids of the whole corpus, by its rows."""
        return self._corpus.columns.paper_ids

    @cached_property
    def published_at(self) -> Float64Array:
        """(rows,) Unix seconds; NaN unknown."""
        return self._corpus.columns.published_at[self.rows]

    @cached_property
    def units(self) -> Float32Array:
        """(rows, d) float32."""
        return self._corpus.units[self.rows]

    def whitened(self, damping: float) -> Float32Array:
        """Return (rows, d) float32 of unit length, with the mean removed and variances evened out.

        Args:
            damping: Added to each variance, in units of the mean variance.
        """
        if damping not in self._spaces:
            seen = self._corpus.units[self.visible].astype(np.float64)
            seen = seen[seen.any(axis=1)]
            mean, matrix = np.zeros(seen.shape[1]), np.eye(seen.shape[1], dtype=np.float32)
            if len(seen):
                mean = seen.mean(axis=0)
                matrix = inverse_root((seen - mean).T @ (seen - mean) / len(seen), damping)
            self._spaces[damping] = np.nan_to_num(
                unit_rows(((self.units - mean.astype(np.float32)) @ matrix).astype(np.float32)), nan=0.0
            )
        return self._spaces[damping]

    @cached_property
    def tfidf(self) -> Any:
        """(rows, vocabulary) scipy CSR: TF-IDF of unit length with log counts and smoothed idf, as in scikit-learn.

        Terms that no visible paper has are left out, as if the vocabulary were fitted on the visible papers.
        """
        counts = self._corpus.counts
        seen = np.bincount(counts[self.visible].indices, minlength=counts.shape[1])
        idf = np.where(seen > 0, np.log((1 + len(self.visible)) / (1 + seen)) + 1, 0.0)
        found = counts[self.rows]
        found.data = (1 + np.log(found.data)) * idf[found.indices]
        found.eliminate_zeros()
        owners = np.repeat(np.arange(len(self.rows)), np.diff(found.indptr))
        lengths = np.sqrt(np.bincount(owners, weights=found.data**2, minlength=len(self.rows)))
        found.data /= lengths[owners]
        return found


def anonymous(columns: PaperColumns) -> PaperColumns:
    """Return the papers without authors, upvotes and signals.

    Authors would reveal the answers in data where authors stand for users. Upvotes and signals count likes, upvotes at
    an unknown time.
    """
    count = len(columns)
    return replace(columns, authors=((),) * count, upvotes=np.full(count, np.nan), signals=None)


def without(rows: IndexArray, some: IndexArray) -> IndexArray:
    """Return the ``rows`` that are not in ``some``, in their order."""
    keep: BoolArray = ~np.isin(rows, some)
    return rows[keep]
