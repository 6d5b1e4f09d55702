"""Profiles: all that features read of a user, computed once for each change of the user's likes."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.errors import InputError
from ranker.profile import ridge
from ranker.profile.interests import Interests, find_interests, newest_rows
from ranker.spaces.spaces import PaperMatrix
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, Float64Array, IndexArray

MAX_LIKES = 3_000
"""Number of newest likes in use. Older likes would make a feed slower without making it better."""
_MODELLED = ("whitened", "factors", "users")
"""Vector spaces in which the user has a linear model."""


@dataclass(frozen=True)
class Profile:
    """The likes of one user in the spaces of one bundle, or without a bundle.

    A row of a like is its number among the likes given to ``build_profile``.

    Attributes:
        like_count: Number of likes in use, at most ``MAX_LIKES``.
        newest_like_at: Unix seconds of the newest like; NaN if no like has a time.
        liked_vector_rows: (m,) rows of the likes that have vectors; m may be 0.
        liked_units: (m, d) float32 unit vectors of these likes.
        liked_vectors: (m, w) float32 rows of these likes by vector space; see ``PaperMatrix.vectors``.
        liked_text_rows: (k,) rows of the likes that have words.
        liked_tfidf: (k, buckets) TF-IDF rows of these likes; None without a bundle.
        disliked_units: (j, d) float32 unit vectors of the disliked papers that have vectors.
        liked_at: (m,) Unix seconds of the likes that have vectors; NaN unknown.
        liked_topics: (t,) float32 mean topic weights of the likes; None if no like has any.
        liked_categories: Categories of each like in use.
        factor_density: Mean factor density of the likes, low where the bundle knows little of the field; NaN without a
            factor map.
    """

    like_count: int
    newest_like_at: float
    liked_vector_rows: IndexArray
    liked_units: Float32Array
    liked_vectors: Mapping[str, Float32Array]
    liked_text_rows: IndexArray
    liked_tfidf: SparseRows | None
    disliked_units: Float32Array
    liked_at: Float64Array
    liked_topics: Float32Array | None
    liked_categories: tuple[tuple[str, ...], ...]
    factor_density: float

    def linear_model(self, space: str) -> Float32Array | float:
        """Return the weights of the user's linear model in a space of ``Likeness``; 0 if the space has none.

        Returns:
            (m,) for a vector space, (k,) for words.
        """
        if space == "words":
            return self._word_weights
        return self._vector_weights[_MODELLED.index(space)] if space in _MODELLED else 0.0

    @cached_property
    def _vector_weights(self) -> Float32Array:
        """(3, m) weights in the spaces of ``_MODELLED``; solved together."""
        count = len(self.liked_units)
        newest = min(count, ridge.MAX_LIKES)
        grams = np.zeros((len(_MODELLED), newest, newest), dtype=np.float32)
        for gram, space in zip(grams, _MODELLED, strict=True):
            if space in self.liked_vectors:
                rows = self.liked_vectors[space][count - newest :]
                np.matmul(rows, rows.T, out=gram)
        return ridge.ridge_weights(grams, count)

    @cached_property
    def centroid_lengths(self) -> Mapping[str, float]:
        """Length of the mean of the likes in each vector space: near 1 for one narrow interest, NaN without vectors."""
        return {space: _mean_length(rows) for space, rows in self.liked_vectors.items()}

    @cached_property
    def _word_weights(self) -> Float32Array:
        return np.asarray(ridge.ridge_weights(self._word_gram[None], len(self.liked_text_rows))[0])

    @cached_property
    def tfidf_centroid_length(self) -> float:
        """Length of the mean of ``liked_tfidf``; NaN without words."""
        if self.liked_tfidf is None or not len(self.liked_tfidf):
            return float("nan")
        if len(self._word_gram) < len(self.liked_tfidf):
            return _length(self.liked_tfidf.mean().values)
        return math.sqrt(float(self._word_gram.sum())) / len(self.liked_tfidf)

    @cached_property
    def log_mean_terms(self) -> float:
        """Natural logarithm of 1 + the mean number of distinct terms of the likes that have words; NaN without any."""
        if self.liked_tfidf is None or not len(self.liked_tfidf):
            return float("nan")
        return math.log1p(float(self.liked_tfidf.row_sizes.mean()))

    @cached_property
    def _word_gram(self) -> Float32Array:
        """(r, r) TF-IDF cosines of the newest likes with one another, r at most ``ridge.MAX_LIKES``."""
        if self.liked_tfidf is None:
            return np.empty((0, 0), dtype=np.float32)
        count = len(self.liked_tfidf)
        if count <= ridge.MAX_LIKES:
            return self.liked_tfidf.gram()
        return self.liked_tfidf.take(np.arange(count - ridge.MAX_LIKES, count)).gram()

    @cached_property
    def interests(self) -> Interests:
        """The interests of the user, clustered at the first access."""
        return find_interests(self.liked_units, self.liked_vector_rows, self.liked_at)

    @cached_property
    def category_shares(self) -> Mapping[str, float]:
        """The share of each category among the likes that have categories; empty if no like has any."""
        return _shares([tuple(dict.fromkeys(found)) for found in self.liked_categories if found])

    @cached_property
    def primary_shares(self) -> Mapping[str, float]:
        """The share of each primary (first) category among the likes that have categories."""
        return _shares([found[:1] for found in self.liked_categories if found])


def build_profile(
    likes: PaperMatrix, dislikes: PaperMatrix | None = None, liked_at: Float64Array | None = None
) -> Profile:
    """Return the profile of a user, who may have no likes.

    Args:
        likes: The liked papers; oldest first if no times are known.
        dislikes: The disliked papers, in the same spaces as ``likes``.
        liked_at: (n_likes,) Unix seconds. NaN means unknown and counts as before every known time.

    Raises:
        InputError: ``liked_at`` does not hold one time for each like.
    """
    times = np.full(len(likes), np.nan) if liked_at is None else np.asarray(liked_at, dtype=np.float64)
    if times.shape != (len(likes),):
        raise InputError(f"liked_at must hold one time for each of the {len(likes)} likes, but has shape {times.shape}")
    rows = newest_rows(times, MAX_LIKES)
    vector_rows = rows[likes.has_vector[rows]]
    # If all likes have vectors, which is the usual case, a slice avoids copies.
    chosen = slice(None) if len(vector_rows) == len(likes) else vector_rows
    text_rows, tfidf = _liked_words(likes, rows)
    return Profile(
        like_count=len(rows),
        newest_like_at=float(np.nanmax(times)) if np.isfinite(times).any() else float("nan"),
        liked_vector_rows=vector_rows,
        liked_units=likes.units[chosen],
        liked_vectors={space: rows[chosen] for space, rows in likes.vectors.items()},
        liked_text_rows=text_rows,
        liked_tfidf=tfidf,
        disliked_units=likes.units[:0] if dislikes is None else dislikes.units[dislikes.has_vector],
        liked_at=times[vector_rows],
        liked_topics=_mean_topics(likes, vector_rows),
        liked_categories=tuple(likes.columns.categories[row] for row in rows.tolist()),
        factor_density=float(likes.factor_density[vector_rows].mean()) if len(vector_rows) else float("nan"),
    )


def _mean_topics(likes: PaperMatrix, vector_rows: IndexArray) -> Float32Array | None:
    if likes.topic_weights is None or not likes.topic_weights.shape[1] or not len(vector_rows):
        return None
    return np.asarray(likes.topic_weights[vector_rows].mean(axis=0), dtype=np.float32)


def _shares(found: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return the share of the sequences that hold each name; no sequence may hold a name twice."""
    counts = Counter(name for names in found for name in names)
    return {name: count / len(found) for name, count in counts.items()}


def _liked_words(likes: PaperMatrix, rows: IndexArray) -> tuple[IndexArray, SparseRows | None]:
    """Return the rows of the likes that have words, and the TF-IDF rows of these likes."""
    if likes.tfidf is None:
        return rows[:0], None
    text_rows = rows[likes.tfidf.row_sizes[rows] > 0]
    return text_rows, likes.tfidf if len(text_rows) == len(likes) else likes.tfidf.take(text_rows)


def _mean_length(units: Float32Array) -> float:
    return _length(np.add.reduce(units, axis=0)) / len(units) if len(units) else float("nan")


def _length(vector: Float32Array) -> float:
    return float(np.sqrt(np.einsum("i,i->", vector, vector)))
