"""How like the candidates are to one reader's likes in all spaces; three families pick their columns from it."""

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

_NOTHING_LEFT = np.float32(1e-12)
_MODELS = {
    "whitened": "whitened_weights",
    "factors": "factor_weights",
    "users": "user_weights",
    "words": "tfidf_weights",
}
"""Where the profile keeps its linear model of a space."""


@dataclass(frozen=True)
class Likeness:
    """n candidates; each array is (len(Sum), n) float32, None where reader or candidates lack the space.

    Attributes:
        plain: Cosines of the vectors; its linear model is 0.
        centred: The same after taking out what all candidates share; its linear model is 0.
        whitened: Cosines in the whitened space.
        factors: Cosines of the factors of co-likes.
        users: Cosines of the factors of papers' readers.
        words: Cosines of TF-IDF rows in which words that many of the candidates share count less.
        bm25: (n,) BM25 weights of the candidate's terms, each times the term's mean TF-IDF in the likes.
        nearest_like: (n,) place among the likes with vectors of the one nearest by ``plain``; 0 where a vector is
            pending.
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
    """Of m papers with vectors and k with words, each to each of n candidates.

    Attributes:
        spaces: Names of the spaces of vectors that both sides have, the plain one first.
        stack: (s, m, n) float32, a matrix for each of ``spaces``, and one more for words where all papers have both.
        words: (k, n) by words, NaN for candidates without any; None where either side has no words.
        bm25: (k, n), or (1, n) for their sum where candidates are many; None as ``words``.
    """

    spaces: tuple[str, ...]
    stack: Float32Array
    words: Float32Array | None = None
    bm25: Float32Array | None = None


@dataclass(frozen=True)
class KnownSimilarities:
    """Of m papers, kept for readers who like some of them; the same bits as computed for each reader's likes alone.

    Attributes:
        spaces: As of ``Similarities``.
        stack: (s + 1, m, n) float32: of the spaces, then of words.
        bm25: (m, n)
    """

    spaces: tuple[str, ...]
    stack: Float32Array
    bm25: Float32Array

    @classmethod
    def between(cls, papers: PaperMatrix, candidates: PaperMatrix) -> "KnownSimilarities":
        """Of some papers, at least one, with at most ``FEW_CANDIDATES``; all in the spaces of one bundle."""
        liked = _Liked(papers.units, papers.whitened, papers.factors, papers.user_factors, papers.tfidf)
        found = _compared(liked, candidates)
        if found.bm25 is None:
            raise InputError("similarities are kept of papers in the spaces of a bundle only")
        return cls(found.spaces, found.stack, found.bm25)

    def take(self, rows: IndexArray) -> "KnownSimilarities":
        """Those of the papers at ``rows``, in that order."""
        return KnownSimilarities(self.spaces, self.stack[:, rows], self.bm25[rows])

    def of(self, profile: Profile, rows: IndexArray) -> Similarities:
        """Those of a reader's likes, which stand at ``rows`` here in the order given to ``build_profile``."""
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
    """Those of all papers of all parts; at least one part, all to the same candidates."""
    stack = np.concatenate([part.stack for part in parts], axis=1)
    return KnownSimilarities(parts[0].spaces, stack, np.concatenate([part.bm25 for part in parts]))


def similarities(profile: Profile, candidates: PaperMatrix) -> Similarities:
    """Of a reader's likes."""
    return _compared(_liked_of(profile), candidates)


class _Liked(NamedTuple):
    """Liked papers: m rows of vectors, k of words."""

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
    # Where each like has words and a vector, as most do, all spaces make one stack.
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
    """Each space's matrix, the plain one first; in the stack, or in memory of its own, which goes when it is let go."""
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
    """``Similarities.words``, in given memory or in memory of its own, and ``bm25``; both sides have words."""
    count = len(candidates)
    if liked.tfidf is None or candidates.terms is None:
        raise InputError("either side has no words")
    if words is None:
        words = np.empty((len(liked.tfidf), count), dtype=np.float32)
    bm25 = np.empty((len(words) if count <= FEW_CANDIDATES else 1, count), dtype=np.float32)
    candidates.terms.against(liked.tfidf, words, bm25)
    if candidates.wordless is not None:
        words[:, candidates.wordless] = np.nan
        bm25[:, candidates.wordless] = np.nan
    return words, bm25


def _pairs(liked: _Liked, candidates: PaperMatrix) -> dict[str, tuple[Float32Array, Float32Array]]:
    """Of each space of vectors that both sides have: the likes, the candidates."""
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
    """(m, n) float32 cosines after taking the candidates' centre out of both sides; NaN where nothing is left.

    Out of the cosines that are there already: a product of the centred vectors would cost as much as the first one.
    """
    # Each like's own sum, so that its bits do not depend on the others, as they may in a product.
    towards = np.einsum("ij,j->i", liked, candidates.centre)
    square = np.float32(candidates.centre @ candidates.centre)
    # A like's vector has length 1.
    lengths = np.sqrt(np.maximum(1 - 2 * towards + square, _NOTHING_LEFT))
    np.subtract(plain, (towards - square)[:, None], out=out)
    out -= candidates.towards_centre
    out /= lengths[:, None]
    out /= candidates.centred_lengths


def likeness(profile: Profile, candidates: PaperMatrix, known: Similarities | None = None) -> Likeness:
    """All of it.

    Args:
        known: Of the reader's likes to the candidates; None computes them.
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
    """The same bits as from one stack, but no two spaces of many likes and candidates are in memory together."""
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
    """(m,) the linear model there; 0 where there is none."""
    return getattr(profile, _MODELS[space]) if space in _MODELS else 0.0


def _mean_over(like_count: int, bm25: Float32Array) -> Float32Array:
    return np.asarray(np.add.reduce(bm25, axis=0) / np.float32(like_count))
