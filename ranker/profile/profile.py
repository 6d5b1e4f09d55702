"""Profiles: all that features read of a user, computed once for each change of the user's likes."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.errors import InputError
from ranker.profile.interests import Interests, find_interests, newest_rows
from ranker.profile.ridge import MAX_LIKES as MODELLED_LIKES
from ranker.profile.ridge import ridge_weights
from ranker.spaces.spaces import PaperMatrix
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, Float64Array, IndexArray

ENOUGH_TERMS = 100
"""Number of terms of all likes from which on words count in full. Three titles have about 33, and are soon misled."""
MAX_LIKES = 3_000
"""Number of newest likes in use. Older likes would make a feed slower without making it better."""


@dataclass(frozen=True)
class Profile:
    """The likes of one user in the spaces of one bundle, or without a bundle.

    A row of a like is its number among the likes given to ``build_profile``.

    Attributes:
        like_count: Number of likes in use, at most ``MAX_LIKES``.
        liked_vector_rows: (m,) rows of the likes that have vectors; m may be 0.
        liked_at: (m,) Unix seconds of these likes; NaN unknown.
        liked_vectors: (m, w) float32 rows of these likes by vector space; see ``PaperMatrix.vectors``.
        weights: (m,) float32 weights of these likes in the user's linear model by vector space; see ``ridge``.
        liked_text_rows: (k,) rows of the likes that have words.
        liked_tfidf: (k, buckets) TF-IDF rows of these likes; None without a bundle.
        word_weights: (k,) float32 weights of these likes in the user's linear model.
        disliked_units: (j, d) float32 unit vectors of the disliked papers that have vectors.
        liked_categories: Categories of each like in use.
    """

    like_count: int
    liked_vector_rows: IndexArray
    liked_at: Float64Array
    liked_vectors: Mapping[str, Float32Array]
    weights: Mapping[str, Float32Array]
    liked_text_rows: IndexArray
    liked_tfidf: SparseRows | None
    word_weights: Float32Array
    disliked_units: Float32Array
    liked_categories: tuple[tuple[str, ...], ...]

    @property
    def liked_units(self) -> Float32Array:
        """(m, d) float32 unit vectors of the likes that have vectors."""
        return self.liked_vectors["plain"]

    @property
    def plain_rows(self) -> tuple[Float32Array, Float32Array, Float32Array]:
        """(m, d), (k, d) and (j, d) unit vectors of the likes, the interests and the disliked papers."""
        return self.liked_units, self.interests.centroids, self.disliked_units

    @cached_property
    def text_amount(self) -> float:
        """Mean number of distinct terms of the likes that have words, less if they have few in all; NaN without any."""
        if self.liked_tfidf is None or not len(self.liked_tfidf):
            return math.nan
        sizes = self.liked_tfidf.row_sizes
        return float(sizes.mean()) * min(1.0, float(sizes.sum()) / ENOUGH_TERMS)

    @cached_property
    def interests(self) -> Interests:
        """The interests of the user, clustered at the first access."""
        return find_interests(self.liked_units, self.liked_vector_rows, self.liked_at)

    @cached_property
    def category_shares(self) -> Mapping[str, float]:
        """The share of each category among the likes that have categories; empty if no like has any."""
        found = [tuple(dict.fromkeys(names)) for names in self.liked_categories if names]
        counts = Counter(name for names in found for name in names)
        return {name: count / len(found) for name, count in counts.items()}


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
    text_rows, tfidf = _liked_words(likes, rows)
    vectors = {space: found[vector_rows] for space, found in likes.vectors.items()}
    return Profile(
        like_count=len(rows),
        liked_vector_rows=vector_rows,
        liked_at=times[vector_rows],
        liked_vectors=vectors,
        weights={space: _vector_weights(found) for space, found in vectors.items() if space != "plain"},
        liked_text_rows=text_rows,
        liked_tfidf=tfidf,
        word_weights=_word_weights(tfidf),
        disliked_units=likes.units[:0] if dislikes is None else dislikes.units[dislikes.has_vector],
        liked_categories=tuple(likes.columns.categories[row] for row in rows.tolist()),
    )


def _vector_weights(liked: Float32Array) -> Float32Array:
    newest = liked[-MODELLED_LIKES:]
    return ridge_weights(newest @ newest.T, len(liked))


def _word_weights(liked: SparseRows | None) -> Float32Array:
    if liked is None:
        return np.empty(0, dtype=np.float32)
    newest = liked if len(liked) <= MODELLED_LIKES else liked.take(np.arange(len(liked))[-MODELLED_LIKES:])
    return ridge_weights(newest.gram(), len(liked))


def _liked_words(likes: PaperMatrix, rows: IndexArray) -> tuple[IndexArray, SparseRows | None]:
    """Return the rows of the likes that have words, and the TF-IDF rows of these likes."""
    if likes.tfidf is None:
        return rows[:0], None
    text_rows = rows[likes.tfidf.row_sizes[rows] > 0]
    return text_rows, likes.tfidf if len(text_rows) == len(likes) else likes.tfidf.take(text_rows)
