"""Profiles: all that features read of a user, computed once for each change of the user's likes.

The mean of the likes and the user's linear model are directions in each space. A candidate's score is its dot product
with the direction, so ranking does not compare it with every like.
"""

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
from ranker.types import Float32Array, Float64Array, IndexArray, Int32Array

MAX_LIKES = 3_000
"""Number of newest likes in use. Older likes would make a feed slower without making it better."""


@dataclass(frozen=True)
class Directions:
    """The directions of a user in a vector space.

    Attributes:
        mean: (w,) float32 mean of the likes.
        linear: (w,) float32 linear model, see ``ridge``.
    """

    mean: Float32Array
    linear: Float32Array


@dataclass(frozen=True)
class WordDirections:
    """The directions of a user in the space of words, on the terms of the likes.

    Attributes:
        terms: (v,) int32 term buckets, ascending.
        values: (2, v) float32: mean of the TF-IDF rows of the likes, and linear model.
    """

    terms: Int32Array
    values: Float32Array


@dataclass(frozen=True)
class Profile:
    """The likes of one user in the spaces of one bundle, or without a bundle.

    A row of a like is its number among the likes given to ``build_profile``.

    Attributes:
        like_count: Number of likes in use, at most ``MAX_LIKES``.
        newest_like_at: Unix seconds of the newest like; NaN if no like has a time.
        liked_vector_rows: (m,) rows of the likes that have vectors; m may be 0.
        liked_units: (m, d) float32 unit vectors of these likes.
        liked_at: (m,) Unix seconds of these likes; NaN unknown.
        directions: Directions in the spaces whitened and factors; a space is absent if the likes are not in it.
        liked_text_rows: (k,) rows of the likes that have words.
        liked_tfidf: (k, buckets) TF-IDF rows of these likes; None without a bundle.
        word_directions: Directions in the space of words; None if no like has words.
        disliked_units: (j, d) float32 unit vectors of the disliked papers that have vectors.
        liked_categories: Categories of each like in use.
    """

    like_count: int
    newest_like_at: float
    liked_vector_rows: IndexArray
    liked_units: Float32Array
    liked_at: Float64Array
    directions: Mapping[str, Directions]
    liked_text_rows: IndexArray
    liked_tfidf: SparseRows | None
    word_directions: WordDirections | None
    disliked_units: Float32Array
    liked_categories: tuple[tuple[str, ...], ...]

    @cached_property
    def mean_terms(self) -> float:
        """Mean number of distinct terms of the likes that have words; NaN without any."""
        if self.liked_tfidf is None or not len(self.liked_tfidf):
            return math.nan
        return float(self.liked_tfidf.row_sizes.mean())

    @cached_property
    def spread(self) -> float:
        """0 for one narrow interest, towards 1 for scattered likes: 1 - length of the mean vector; NaN if unknown."""
        if not len(self.liked_units):
            return math.nan
        return 1.0 - float(np.linalg.norm(self.liked_units.mean(axis=0)))

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
    learned = {"whitened": likes.whitened, "factors": likes.factors}
    return Profile(
        like_count=len(rows),
        newest_like_at=float(np.nanmax(times)) if np.isfinite(times).any() else math.nan,
        liked_vector_rows=vector_rows,
        liked_units=likes.units[vector_rows],
        liked_at=times[vector_rows],
        directions=_directions({name: found[vector_rows] for name, found in learned.items() if found is not None}),
        liked_text_rows=text_rows,
        liked_tfidf=tfidf,
        word_directions=_word_directions(tfidf),
        disliked_units=likes.units[:0] if dislikes is None else dislikes.units[dislikes.has_vector],
        liked_categories=tuple(likes.columns.categories[row] for row in rows.tolist()),
    )


def _directions(spaces: Mapping[str, Float32Array]) -> dict[str, Directions]:
    """Return the directions of m likes in each space; an empty mapping without likes."""
    rows = list(spaces.values())
    if not rows or not len(rows[0]):
        return {}
    newest = [part[-MODELLED_LIKES:] for part in rows]
    weights = ridge_weights(np.stack([part @ part.T for part in newest]))
    return {
        name: Directions(part.mean(axis=0), own @ recent)
        for name, part, own, recent in zip(spaces, rows, weights, newest, strict=True)
    }


def _word_directions(liked: SparseRows | None) -> WordDirections | None:
    """Return the directions of the likes with words; None without any."""
    if liked is None or not len(liked):
        return None
    newest = liked.take(np.arange(max(len(liked) - MODELLED_LIKES, 0), len(liked)))
    weights = np.zeros(len(liked), dtype=np.float32)
    weights[len(liked) - len(newest) :] = ridge_weights(newest.gram()[None])[0]
    # Sorting the few thousand terms is ten times faster than a dense sum over all buckets.
    terms, places = np.unique(liked.columns, return_inverse=True)
    mean = np.bincount(places, liked.values) / len(liked)
    linear = np.bincount(places, liked.values * weights[liked.owners])
    return WordDirections(terms, np.stack((mean, linear)).astype(np.float32))


def _liked_words(likes: PaperMatrix, rows: IndexArray) -> tuple[IndexArray, SparseRows | None]:
    """Return the rows of the likes that have words, and the TF-IDF rows of these likes."""
    if likes.tfidf is None:
        return rows[:0], None
    text_rows = rows[likes.tfidf.row_sizes[rows] > 0]
    return text_rows, likes.tfidf if len(text_rows) == len(likes) else likes.tfidf.take(text_rows)
