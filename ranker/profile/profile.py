"""Liked and disliked papers to a profile: all of a user that features read, computed once per change of the likes."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ranker.errors import InputError
from ranker.profile import ridge
from ranker.profile.interests import Interests, LikedVectors, find_interests
from ranker.spaces.spaces import PaperMatrix
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, Float64Array, IndexArray

MAX_LIKES = 3_000
"""The most recent likes that count; older ones would make a feed slower without making it better."""


@dataclass(frozen=True)
class Profile:
    """One user's interests in the spaces that the likes were given in.

    Row numbers count the likes as given to ``build_profile``.

    Attributes:
        like_count: Likes in use, at most ``MAX_LIKES``.
        newest_like_at: Unix seconds; NaN where no like has a time.
        liked_vector_rows: (m,) which likes have vectors; m may be 0.
        liked_units: (m, d) float32.
        liked_whitened: (m, d) float32; None without a bundle.
        centroid_length: Length of the mean of ``liked_units``: 1 for one narrow interest, NaN without vectors.
        whitened_centroid_length: The same in the whitened space.
        liked_text_rows: (k,) which likes have words.
        liked_tfidf: (k, buckets); None without a bundle.
        disliked_units: (j, d) float32.
        liked_at: (m,) Unix seconds of the likes that have vectors; NaN unknown.
        liked_topics: (t,) float32, mean of the likes' topic weights; None where no like has any.
        liked_categories: Categories of each like in use.
        liked_factors: (m, k) float32; None without a bundle or a map.
        factor_centroid_length: As ``centroid_length``, of the factors.
        factor_density: Mean of the likes' own; low where the bundle knows little of the field. NaN without a map.
        liked_user_factors: (m, f) float32; f is 0 without a bundle or co-likes.
    """

    like_count: int
    newest_like_at: float
    liked_vector_rows: IndexArray
    liked_units: Float32Array
    liked_whitened: Float32Array | None
    centroid_length: float
    whitened_centroid_length: float
    liked_text_rows: IndexArray
    liked_tfidf: SparseRows | None
    disliked_units: Float32Array
    liked_at: Float64Array = field(default_factory=lambda: np.empty(0))
    liked_topics: Float32Array | None = None
    liked_categories: tuple[tuple[str, ...], ...] = ()
    liked_factors: Float32Array | None = None
    factor_centroid_length: float = float("nan")
    factor_density: float = float("nan")
    liked_user_factors: Float32Array = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    @cached_property
    def whitened_weights(self) -> Float32Array:
        """(m,) the linear model in the whitened space; at least one like with a vector, and a bundle."""
        return np.asarray(self._linear_models[0])

    @cached_property
    def factor_weights(self) -> Float32Array:
        """(m,) the same on factors."""
        return np.asarray(self._linear_models[1])

    @cached_property
    def user_weights(self) -> Float32Array:
        """(m,) the linear model on reader factors."""
        return np.asarray(self._linear_models[2])

    @cached_property
    def _linear_models(self) -> Float32Array:
        """(3, m) of the whitened space, factors and reader factors; solved together."""
        spaces = (self.liked_whitened, self.liked_factors, self.liked_user_factors)
        count = len(self.liked_units)
        newest = min(count, ridge.MAX_LIKES)
        grams = np.zeros((len(spaces), newest, newest), dtype=np.float32)
        for gram, units in zip(grams, spaces, strict=True):
            if units is not None and len(units) == count:
                np.matmul(units[count - newest :], units[count - newest :].T, out=gram)
        return ridge.ridge_weights(grams, count)

    @cached_property
    def user_centroid_length(self) -> float:
        """Length of the mean of ``liked_user_factors``; NaN where there are none."""
        return _mean_length(self.liked_user_factors)

    @cached_property
    def tfidf_weights(self) -> Float32Array:
        """(k,) the same on words."""
        if self.liked_tfidf is None:
            return np.empty(0, dtype=np.float32)
        return np.asarray(ridge.ridge_weights(self._word_gram[None], len(self.liked_tfidf))[0])

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
        """(m, m) cosines by words of the newest likes with one another."""
        if self.liked_tfidf is None:
            return np.empty((0, 0), dtype=np.float32)
        count = len(self.liked_tfidf)
        if count <= ridge.MAX_LIKES:
            return self.liked_tfidf.gram()
        return self.liked_tfidf.take(np.arange(count - ridge.MAX_LIKES, count)).gram()

    @cached_property
    def interests(self) -> Interests:
        """The likes in groups; found when first asked for."""
        return find_interests([self.liked_vectors])[0]

    @property
    def liked_vectors(self) -> LikedVectors:
        """What the interests are found in."""
        return LikedVectors(self.liked_units, self.liked_vector_rows, self.liked_at)

    @cached_property
    def category_shares(self) -> Mapping[str, float]:
        """Of the likes that have categories, the share that has each; empty where none has any."""
        return _shares([tuple(dict.fromkeys(found)) for found in self.liked_categories if found])

    @cached_property
    def primary_shares(self) -> Mapping[str, float]:
        """The same for the first category of each like."""
        return _shares([found[:1] for found in self.liked_categories if found])


def build_profile(
    likes: PaperMatrix, dislikes: PaperMatrix | None = None, liked_at: Float64Array | None = None
) -> Profile:
    """The profile of a user, who may like nothing at all.

    Args:
        likes: Oldest first where no times are known.
        dislikes: In the same spaces as ``likes``.
        liked_at: (n_likes,) Unix seconds, NaN unknown (counts as before every known time).

    Raises:
        InputError: Times that are not one per like.
    """
    times = np.full(len(likes), np.nan) if liked_at is None else np.asarray(liked_at, dtype=np.float64)
    if times.shape != (len(likes),):
        raise InputError(f"liked_at has shape {times.shape} for {len(likes)} likes")
    rows = _most_recent(times)
    vector_rows = rows[likes.has_vector[rows]]
    # Where all likes have vectors, as mostly, nothing is copied.
    chosen = slice(None) if len(vector_rows) == len(likes) else vector_rows
    units = likes.units[chosen]
    whitened = None if likes.whitened is None else likes.whitened[chosen]
    factors = None if likes.factors is None else likes.factors[chosen]
    text_rows, tfidf = _liked_words(likes, rows)
    return Profile(
        like_count=len(rows),
        newest_like_at=float(np.nanmax(times)) if np.isfinite(times).any() else float("nan"),
        liked_vector_rows=vector_rows,
        liked_units=units,
        liked_whitened=whitened,
        centroid_length=_mean_length(units),
        whitened_centroid_length=float("nan") if whitened is None else _mean_length(whitened),
        liked_text_rows=text_rows,
        liked_tfidf=tfidf,
        disliked_units=likes.units[:0] if dislikes is None else dislikes.units[dislikes.has_vector],
        liked_at=times[vector_rows],
        liked_topics=_mean_topics(likes, vector_rows),
        liked_categories=tuple(likes.columns.categories[row] for row in rows.tolist()),
        liked_factors=factors,
        factor_centroid_length=float("nan") if factors is None else _mean_length(factors),
        factor_density=_mean_density(likes, vector_rows),
        liked_user_factors=likes.user_factors[chosen],
    )


def find_interests_of(profiles: Sequence[Profile]) -> None:
    """Finds what ``Profile.interests`` gives, of many readers at once."""
    missing = [profile for profile in profiles if "interests" not in vars(profile)]
    for profile, found in zip(missing, find_interests([each.liked_vectors for each in missing]), strict=True):
        vars(profile)["interests"] = found


def _mean_topics(likes: PaperMatrix, vector_rows: IndexArray) -> Float32Array | None:
    if likes.topic_weights is None or not likes.topic_weights.shape[1] or not len(vector_rows):
        return None
    return np.asarray(likes.topic_weights[vector_rows].mean(axis=0), dtype=np.float32)


def _shares(found: Sequence[Sequence[str]]) -> dict[str, float]:
    counts = Counter(name for names in found for name in names)
    return {name: count / len(found) for name, count in counts.items()}


def _mean_density(likes: PaperMatrix, vector_rows: IndexArray) -> float:
    return float(likes.factor_density[vector_rows].mean()) if len(vector_rows) else float("nan")


def _most_recent(times: Float64Array) -> IndexArray:
    """Rows of the newest ``MAX_LIKES`` likes, in their given order."""
    if len(times) <= MAX_LIKES:
        return np.arange(len(times))
    oldest_first = np.argsort(np.where(np.isnan(times), -np.inf, times), kind="stable")
    return np.sort(oldest_first[-MAX_LIKES:])


def _liked_words(likes: PaperMatrix, rows: IndexArray) -> tuple[IndexArray, SparseRows | None]:
    """Which likes have words, and their TF-IDF rows."""
    if likes.tfidf is None:
        return rows[:0], None
    text_rows = rows[likes.tfidf.row_sizes[rows] > 0]
    return text_rows, likes.tfidf if len(text_rows) == len(likes) else likes.tfidf.take(text_rows)


def _mean_length(units: Float32Array) -> float:
    return _length(np.add.reduce(units, axis=0)) / len(units) if len(units) else float("nan")


def _length(vector: Float32Array) -> float:
    return float(np.sqrt(np.einsum("i,i->", vector, vector)))
