"""Similarities of candidates to the likes of one user in all spaces, from which three families take their features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.errors import InputError
from ranker.features.similarity import FEW_CANDIDATES, cosines, fit_together, summed_up
from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, IndexArray

_MIN_SQUARE = np.float32(1e-12)
_MODELS = {
    "whitened": "whitened_weights",
    "factors": "factor_weights",
    "users": "user_weights",
    "words": "tfidf_weights",
}
"""The attribute of ``Profile`` that holds the linear model of each space."""


@dataclass(frozen=True)
class Likeness:
    """Summaries of the similarities of n candidates to the likes.

    Each array is (len(Sum), n) float32, or None if likes or candidates are not in the space.

    Attributes:
        plain: Cosines of the vectors; the linear model is 0.
        centred: Cosines after subtracting the mean vector of the candidates; the linear model is 0.
        whitened: Cosines in the whitened space.
        factors: Cosines of the co-like factors.
        users: Cosines of the user factors.
        words: Cosines of the TF-IDF rows; a term that many candidates share counts less.
        bm25: (n,) sum over the candidate's terms of BM25 weight times mean TF-IDF in the likes.
        nearest_like: (n,) number, among the likes with vectors, of the like nearest by ``plain``; 0 if the candidate's
            vector is pending.
    """

    plain: Float32Array | None = None
    centred: Float32Array | None = None
    whitened: Float32Array | None = None
    factors: Float32Array | None = None
    users: Float32Array | None = None
    words: Float32Array | None = None
    bm25: Float32Array | None = None
    nearest_like: IndexArray | None = None


class Similarities(NamedTuple):
    """Similarities of liked papers, m with vectors and k with words, to n candidates.

    Attributes:
        spaces: Names of the vector spaces that likes and candidates are in, the plain one first.
        stack: (s, m, n) float32, one matrix for each of ``spaces``, plus one for words if every like has both.
        words: (k, n) TF-IDF cosines, NaN for candidates without words; None if the likes or the candidates have none.
        bm25: (k, n) BM25 similarities, or (1, n) their sum for many candidates; None if ``words`` is None.
    """

    spaces: tuple[str, ...]
    stack: Float32Array
    words: Float32Array | None = None
    bm25: Float32Array | None = None


@dataclass(frozen=True)
class KnownSimilarities:
    """Similarities of m papers to n candidates, computed once and reused for all users who like some of the papers.

    Attributes:
        spaces: As in ``Similarities``.
        stack: (s + 1, m, n) float32, one matrix for each of ``spaces`` and the last for words.
        bm25: (m, n) BM25 similarities.
    """

    spaces: tuple[str, ...]
    stack: Float32Array
    bm25: Float32Array

    @classmethod
    def between(cls, papers: PaperMatrix, candidates: PaperMatrix) -> "KnownSimilarities":
        """Compute the similarities of papers to at most ``FEW_CANDIDATES`` candidates.

        Args:
            papers: At least one paper, in the spaces of a bundle.
            candidates: The candidate papers, in the spaces of the same bundle.

        Raises:
            InputError: The papers are not in the spaces of a bundle.
        """
        liked = _Liked(papers.units, papers.whitened, papers.factors, papers.user_factors, papers.tfidf)
        found = _compared(liked, candidates)
        if found.bm25 is None:
            raise InputError("the papers must be in the spaces of a bundle to keep their similarities")
        return cls(found.spaces, found.stack, found.bm25)

    def take(self, rows: IndexArray) -> "KnownSimilarities":
        """Return the similarities of the papers at ``rows``, in that order."""
        return KnownSimilarities(self.spaces, self.stack[:, rows], self.bm25[rows])

    def of(self, profile: Profile, rows: IndexArray) -> Similarities:
        """Return the similarities of a user's likes.

        Args:
            rows: The rows of the likes here, in the order given to ``build_profile``.
        """
        vector_rows, text_rows = rows[profile.liked_vector_rows], rows[profile.liked_text_rows]
        if len(vector_rows) == len(text_rows) == profile.like_count > 0:
            found = self.stack[:, vector_rows]
            return Similarities(self.spaces, found, found[-1], self.bm25[text_rows])
        spaces = self.spaces if len(vector_rows) else ()
        vectors = self.stack[: len(spaces), vector_rows]
        if not len(text_rows):
            return Similarities(spaces, vectors)
        return Similarities(spaces, vectors, self.stack[-1, text_rows], self.bm25[text_rows])


def stack_similarities(parts: Sequence[KnownSimilarities]) -> KnownSimilarities:
    """Return the similarities of the papers of all parts; needs at least one part, all with the same candidates."""
    stack = np.concatenate([part.stack for part in parts], axis=1)
    return KnownSimilarities(parts[0].spaces, stack, np.concatenate([part.bm25 for part in parts]))


def similarities(profile: Profile, candidates: PaperMatrix) -> Similarities:
    """Compute the similarities of a user's likes to the candidates."""
    return _compared(_liked_of(profile), candidates)


class _Liked(NamedTuple):
    """Liked papers: m rows of vectors and k rows of words."""

    units: Float32Array
    whitened: Float32Array | None
    factors: Float32Array | None
    user_factors: Float32Array
    tfidf: SparseRows | None


def _liked_of(profile: Profile) -> _Liked:
    return _Liked(
        profile.liked_units,
        profile.liked_whitened,
        profile.liked_factors,
        profile.liked_user_factors,
        profile.liked_tfidf,
    )


def _compared(liked: _Liked, candidates: PaperMatrix) -> Similarities:
    spaces = tuple(_pairs(liked, candidates))
    # If every like has words and a vector, which is the usual case, words join the stack.
    together = _has_words(liked, candidates) and len(liked.tfidf or ()) == len(liked.units) and bool(spaces)
    stack = np.empty((len(spaces) + together, len(liked.units), len(candidates)), dtype=np.float32)
    for _ in _by_vectors(liked, candidates, stack):
        pass
    if not _has_words(liked, candidates):
        return Similarities(spaces, stack)
    return Similarities(spaces, stack, *_by_words(liked, candidates, stack[-1] if together else None))


def _by_vectors(
    liked: _Liked, candidates: PaperMatrix, stack: Float32Array | None = None
) -> Iterator[tuple[str, Float32Array]]:
    """Yield the name and the matrix of each vector space, the plain one first.

    Args:
        stack: Where to write the matrices; None allocates each one, so that it is freed when no longer used.
    """
    plain = None
    for number, (name, (rows, placed)) in enumerate(_pairs(liked, candidates).items()):
        matrix = np.empty((len(rows), len(placed)), dtype=np.float32) if stack is None else stack[number]
        if name == "centred" and plain is not None:
            _centre(plain, liked.units, candidates, out=matrix)
        else:
            cosines(rows, placed, out=matrix)
        plain = matrix if name == "plain" else None
        yield name, matrix


def _has_words(liked: _Liked, candidates: PaperMatrix) -> bool:
    return liked.tfidf is not None and len(liked.tfidf) > 0 and candidates.terms is not None


def _by_words(
    liked: _Liked, candidates: PaperMatrix, words: Float32Array | None = None
) -> tuple[Float32Array, Float32Array]:
    """Return ``words`` and ``bm25`` of ``Similarities``; likes and candidates must have words.

    Args:
        words: Where to write the cosines; None allocates memory.
    """
    count = len(candidates)
    if liked.tfidf is None or candidates.terms is None:
        raise InputError("the likes or the candidates have no words")
    if words is None:
        words = np.empty((len(liked.tfidf), count), dtype=np.float32)
    bm25 = np.empty((len(words) if count <= FEW_CANDIDATES else 1, count), dtype=np.float32)
    candidates.terms.against(liked.tfidf, words, bm25)
    if candidates.wordless is not None:
        words[:, candidates.wordless] = np.nan
        bm25[:, candidates.wordless] = np.nan
    return words, bm25


def _pairs(liked: _Liked, candidates: PaperMatrix) -> dict[str, tuple[Float32Array, Float32Array]]:
    """Return for each vector space that both are in the rows of the likes and of the candidates."""
    if not len(liked.units):
        return {}
    found = {"plain": (liked.units, candidates.units), "centred": (liked.units, candidates.units)}
    if liked.whitened is not None and candidates.whitened is not None:
        found["whitened"] = (liked.whitened, candidates.whitened)
    if liked.factors is not None and candidates.factors is not None:
        found["factors"] = (liked.factors, candidates.factors)
        users, placed = liked.user_factors, candidates.user_factors
        if users.shape[1] and placed.shape[1] == users.shape[1]:
            found["users"] = (users, placed)
    return found


def _centre(plain: Float32Array, liked: Float32Array, candidates: PaperMatrix, out: Float32Array) -> None:
    """Write the cosines after subtracting the candidates' centre from all vectors.

    They follow from the plain cosines. A product of the centred vectors would take as long as the plain product.

    Args:
        plain: (m, n) cosines of likes and candidates.
        liked: (m, d) unit vectors of the likes.
        out: (m, n) float32 where the result goes; NaN for a candidate that equals the centre.
    """
    towards = np.einsum("ij,j->i", liked, candidates.centre)
    square = np.float32(candidates.centre @ candidates.centre)
    # The vector of a like has length 1.
    lengths = np.sqrt(np.maximum(1 - 2 * towards + square, _MIN_SQUARE))
    np.subtract(plain, (towards - square)[:, None], out=out)
    out -= candidates.towards_centre
    out /= lengths[:, None]
    out /= candidates.centred_lengths


def likeness(profile: Profile, candidates: PaperMatrix, known: Similarities | None = None) -> Likeness:
    """Return the summaries of the similarities of a user's likes to the candidates.

    Args:
        known: Precomputed similarities of the likes to the candidates; None computes them.
    """
    liked = _liked_of(profile)
    if known is None and not fit_together(len(liked.units) * len(candidates)):
        return _likeness_one_by_one(profile, liked, candidates)
    spaces, stack, words, bm25 = known or _compared(liked, candidates)
    names = (*spaces, "words")[: len(stack)]
    weights = np.zeros(stack.shape[:2], dtype=np.float32)
    for number, name in enumerate(names):
        weights[number] = _weights(profile, name)
    found = dict(zip(names, summed_up(stack, weights), strict=True)) if names else {}
    if words is not None and "words" not in found:
        found["words"] = summed_up(words[None], profile.tfidf_weights[None])[0]
    return Likeness(
        **found,
        bm25=None if words is None or bm25 is None else _mean_over(len(words), bm25),
        nearest_like=np.argmax(stack[0], axis=0) if spaces else None,
    )


def _likeness_one_by_one(profile: Profile, liked: _Liked, candidates: PaperMatrix) -> Likeness:
    """Return the same as ``likeness``, but hold the matrix of only one space in memory at a time."""
    found: dict[str, Float32Array] = {}
    nearest, bm25 = None, None
    for name, matrix in _by_vectors(liked, candidates):
        weights = np.zeros((1, len(matrix)), dtype=np.float32)
        weights[0] = _weights(profile, name)
        found[name] = summed_up(matrix[None], weights)[0]
        if name == "plain":
            nearest = np.argmax(matrix, axis=0)
    if _has_words(liked, candidates):
        words, bm25 = _by_words(liked, candidates)
        found["words"] = summed_up(words[None], profile.tfidf_weights[None])[0]
        bm25 = _mean_over(len(words), bm25)
    return Likeness(**found, bm25=bm25, nearest_like=nearest)


def _weights(profile: Profile, space: str) -> Float32Array | float:
    """Return the weights of the user's linear model in a space, (m,), or 0 if the space has none."""
    return getattr(profile, _MODELS[space]) if space in _MODELS else 0.0


def _mean_over(like_count: int, bm25: Float32Array) -> Float32Array:
    return np.asarray(np.add.reduce(bm25, axis=0) / np.float32(like_count))
