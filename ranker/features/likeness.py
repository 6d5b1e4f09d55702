"""Similarities of candidates to the likes of one user in all spaces, from which three families take their features."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import numpy as np

from ranker.errors import InputError
from ranker.features.similarity import FEW_CANDIDATES, cosines, summed_up
from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, IndexArray

_MIN_SQUARE = np.float32(1e-12)
_STACKED_VALUES = 20_000
"""Larger matrices are summed up one by one, because a stack of them would not fit into the processor's cache."""
_OF_WORDS = ("words", "bm25")

Similarities: TypeAlias = Mapping[str, Float32Array]
"""Matrices of similarities of liked papers to n candidates by the name of the space; see ``Likeness`` for the names.

The matrices of vector spaces are (m, n) for the m likes with vectors. ``words`` is (k, n) for the k likes with words,
NaN for candidates without words. ``bm25`` is (k, n), or (1, n) with their sum above ``FEW_CANDIDATES`` candidates.
"""


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


def likeness(profile: Profile, candidates: PaperMatrix, known: Similarities | None = None) -> Likeness:
    """Return the summaries of the similarities of a user's likes to the candidates.

    Args:
        known: Precomputed similarities of the likes to the candidates; None computes them.
    """
    # Small matrices are summed up together. Of large ones at most two are in memory: one, and the next.
    together = len(profile.liked_units) * len(candidates) <= _STACKED_VALUES
    pairs = similarities(profile, candidates) if known is None else iter(known.items())
    found: dict[str, Float32Array] = {}
    nearest, bm25 = None, None
    for _, group in groupby(pairs, key=lambda pair: pair[1].shape if together and pair[0] != "bm25" else pair[0]):
        names, matrices = zip(*group, strict=True)
        if names == ("bm25",):
            bm25 = np.asarray(np.add.reduce(matrices[0], axis=0) / np.float32(len(profile.liked_text_rows)))
            continue
        if names[0] == "plain":
            nearest = np.argmax(matrices[0], axis=0)
        stack = np.stack(matrices) if len(matrices) > 1 else matrices[0][None]
        weights = np.zeros(stack.shape[:2], dtype=np.float32)
        for row, name in zip(weights, names, strict=True):
            row[:] = profile.linear_model(name)
        found |= zip(names, summed_up(stack, weights), strict=True)
        del matrices, stack
    return Likeness(**found, bm25=bm25, nearest_like=nearest)


def similarities(profile: Profile, candidates: PaperMatrix) -> Iterator[tuple[str, Float32Array]]:
    """Yield the name and the matrix of each space of ``Similarities`` for a user's likes."""
    return _compared(profile.liked_vectors, profile.liked_tfidf, candidates)


def paper_similarities(papers: PaperMatrix, candidates: PaperMatrix) -> dict[str, Float32Array]:
    """Return the similarities of papers to at most ``FEW_CANDIDATES`` candidates, for all users who like the papers.

    Each matrix has one row for each paper, also for those without vector or words.

    Raises:
        InputError: The papers are not in the spaces of a bundle.
    """
    if papers.tfidf is None or candidates.terms is None:
        raise InputError("the papers must be in the spaces of a bundle to keep their similarities")
    return dict(_compared(papers.vectors, papers.tfidf, candidates))


def similarities_of(known: Similarities, profile: Profile, rows: IndexArray) -> dict[str, Float32Array]:
    """Return the similarities of a user's likes.

    Args:
        known: Output of ``paper_similarities``.
        rows: The rows of the likes in ``known``, in the order given to ``build_profile``.
    """
    by_vector, by_words = rows[profile.liked_vector_rows], rows[profile.liked_text_rows]
    chosen = ((name, matrix, by_words if name in _OF_WORDS else by_vector) for name, matrix in known.items())
    return {name: matrix[own] for name, matrix, own in chosen if len(own)}


def _compared(
    vectors: Mapping[str, Float32Array], tfidf: SparseRows | None, candidates: PaperMatrix
) -> Iterator[tuple[str, Float32Array]]:
    """Yield the name and the matrix of each space that liked papers and candidates are both in, the plain one first."""
    for space, placed in candidates.vectors.items():
        if space in vectors and len(vectors[space]):
            matrix = cosines(vectors[space], placed)
            yield space, matrix
            if space == "plain":
                yield "centred", _centred(matrix, vectors[space], candidates)
    if tfidf is not None and len(tfidf) and candidates.terms is not None:
        words, bm25 = candidates.terms.against(tfidf, summed=len(candidates) > FEW_CANDIDATES)
        if candidates.wordless is not None:
            words[:, candidates.wordless] = np.nan
            bm25[:, candidates.wordless] = np.nan
        yield "words", words
        yield "bm25", bm25


def _centred(plain: Float32Array, liked: Float32Array, candidates: PaperMatrix) -> Float32Array:
    """Return the cosines after subtracting the candidates' centre from all vectors.

    They follow from the plain cosines. A product of the centred vectors would take as long as the plain product.

    Args:
        plain: (m, n) cosines of likes and candidates.
        liked: (m, d) unit vectors of the likes.

    Returns:
        (m, n) float32; NaN for a candidate that equals the centre.
    """
    towards = np.einsum("ij,j->i", liked, candidates.centre)
    square = np.float32(candidates.centre @ candidates.centre)
    # The vector of a like has length 1.
    lengths = np.sqrt(np.maximum(1 - 2 * towards + square, _MIN_SQUARE))
    out: Float32Array = plain - (towards - square)[:, None]
    out -= candidates.towards_centre
    out /= lengths[:, None]
    out /= candidates.centred_lengths
    return out
