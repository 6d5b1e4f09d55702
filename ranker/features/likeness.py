"""How like the candidates are to one reader's likes in all spaces; three families pick their columns from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.errors import InputError
from ranker.features.similarity import FEW_CANDIDATES, cosines, summed_up
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
from ranker.sparse import SparseRows
from ranker.types import Float32Array, IndexArray

_NOTHING_LEFT = np.float32(1e-12)
_MODELS = {
    "whitened": "whitened_weights",
    "factors": "factor_weights",
    "readers": "reader_weights",
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
        readers: Cosines of the factors of papers' readers.
        words: Cosines of TF-IDF rows in which words that many of the candidates share count less.
        bm25: (n,) BM25 weights of the candidate's terms, each times the term's mean TF-IDF in the likes.
        nearest_like: (n,) place among the likes with vectors of the one nearest by ``plain``; 0 where a vector is
            pending.
    """

    plain: Float32Array | None = None
    centred: Float32Array | None = None
    whitened: Float32Array | None = None
    factors: Float32Array | None = None
    readers: Float32Array | None = None
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
        liked = _Liked(papers.units, papers.whitened, papers.factors, papers.reader_factors, papers.tfidf)
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
    liked = _Liked(
        profile.liked_units,
        profile.liked_whitened,
        profile.liked_factors,
        profile.liked_reader_factors,
        profile.liked_tfidf,
    )
    return _compared(liked, candidates)


class _Liked(NamedTuple):
    """Liked papers: m rows of vectors, k of words."""

    units: Float32Array
    whitened: Float32Array | None
    factors: Float32Array | None
    reader_factors: Float32Array
    tfidf: SparseRows | None


def _compared(liked: _Liked, candidates: PaperMatrix) -> Similarities:
    pairs = _pairs(liked, candidates)
    like_count, count = len(liked.units), len(candidates)
    terms = candidates.terms if liked.tfidf is not None and len(liked.tfidf) else None
    # Where each like has words and a vector, as most do, all spaces make one stack.
    together = terms is not None and liked.tfidf is not None and len(liked.tfidf) == like_count and bool(pairs)
    stack = np.empty((len(pairs) + together, like_count, count), dtype=np.float32)
    for number, (name, (rows, placed)) in enumerate(pairs.items()):
        if name == "centred":
            _centre(stack[0], liked.units, candidates, out=stack[number])
        else:
            cosines(rows, placed, out=stack[number])
    if terms is None or liked.tfidf is None:
        return Similarities(tuple(pairs), stack)
    words = stack[-1] if together else np.empty((len(liked.tfidf), count), dtype=np.float32)
    bm25 = np.empty((len(words) if count <= FEW_CANDIDATES else 1, count), dtype=np.float32)
    terms.against(liked.tfidf, words, bm25)
    if candidates.wordless is not None:
        words[:, candidates.wordless] = np.nan
        bm25[:, candidates.wordless] = np.nan
    return Similarities(tuple(pairs), stack, words, bm25)


def _pairs(liked: _Liked, candidates: PaperMatrix) -> dict[str, tuple[Float32Array, Float32Array]]:
    """Of each space of vectors that both sides have: the likes, the candidates."""
    if not len(liked.units):
        return {}
    found = {"plain": (liked.units, candidates.units), "centred": (liked.units, candidates.units)}
    if liked.whitened is not None and candidates.whitened is not None:
        found["whitened"] = (liked.whitened, candidates.whitened)
    if liked.factors is not None and candidates.factors is not None:
        found["factors"] = (liked.factors, candidates.factors)
        readers, placed = liked.reader_factors, candidates.reader_factors
        if readers.shape[1] and placed.shape[1] == readers.shape[1]:
            found["readers"] = (readers, placed)
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
    spaces, stack, words, bm25 = known or similarities(profile, candidates)
    names = (*spaces, "words")[: len(stack)]
    weights = np.zeros(stack.shape[:2], dtype=np.float32)
    for number, name in enumerate(names):
        if name in _MODELS:
            weights[number] = getattr(profile, _MODELS[name])
    found = dict(zip(names, summed_up(stack, weights), strict=True)) if names else {}
    if words is not None and "words" not in found:
        found["words"] = summed_up(words[None], profile.tfidf_weights[None])[0]
    return Likeness(
        **found,
        bm25=None if words is None or bm25 is None else np.add.reduce(bm25, axis=0) / np.float32(len(words)),
        nearest_like=np.argmax(stack[0], axis=0) if spaces else None,
    )
