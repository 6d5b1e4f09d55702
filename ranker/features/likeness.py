"""How like the candidates are to one reader's likes in all spaces; three families pick their columns from it."""

from dataclasses import dataclass

import numpy as np

from ranker.features.similarity import cosines, summed_up
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
from ranker.types import Float32Array, IndexArray

_NOTHING_LEFT = np.float32(1e-12)


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


def likeness(profile: Profile, candidates: PaperMatrix) -> Likeness:
    """All of it."""
    spaces = _vector_spaces(profile, candidates)
    words, bm25 = _words(profile, candidates)
    like_count, candidate_count = len(profile.liked_units), len(candidates)
    # Where each like has words and a vector, as most do, all spaces make one stack.
    together = words is not None and len(words) == like_count and bool(spaces)
    names = [*spaces, *(["words"] if together else [])]
    stack = np.empty((len(names), like_count, candidate_count), dtype=np.float32)
    weights = np.zeros((len(names), like_count), dtype=np.float32)
    for number, (name, (liked, placed, model)) in enumerate(spaces.items()):
        if name == "centred":
            _centre(stack[0], profile.liked_units, candidates, out=stack[number])
        else:
            cosines(liked, placed, out=stack[number])
        if model is not None:
            weights[number] = model
    if words is not None and together:
        stack[-1], weights[-1] = words, profile.tfidf_weights
    found = dict(zip(names, summed_up(stack, weights), strict=True)) if names else {}
    if words is not None and not together:
        found["words"] = summed_up(words[None], profile.tfidf_weights[None])[0]
    return Likeness(**found, bm25=bm25, nearest_like=np.argmax(stack[0], axis=0) if spaces else None)


def _vector_spaces(
    profile: Profile, candidates: PaperMatrix
) -> dict[str, tuple[Float32Array, Float32Array, Float32Array | None]]:
    """Of each space that both sides have: the likes, the candidates, and the linear model; the plain one first."""
    units = profile.liked_units
    if not len(units):
        return {}
    found: dict[str, tuple[Float32Array, Float32Array, Float32Array | None]] = {
        "plain": (units, candidates.units, None),
        "centred": (units, candidates.units, None),
    }
    if profile.liked_whitened is not None and candidates.whitened is not None:
        found["whitened"] = (profile.liked_whitened, candidates.whitened, profile.whitened_weights)
    if profile.liked_factors is not None and candidates.factors is not None:
        found["factors"] = (profile.liked_factors, candidates.factors, profile.factor_weights)
        readers, placed = profile.liked_reader_factors, candidates.reader_factors
        if readers.shape[1] and placed.shape[1] == readers.shape[1]:
            found["readers"] = (readers, placed, profile.reader_weights)
    return found


def _words(profile: Profile, candidates: PaperMatrix) -> tuple[Float32Array | None, Float32Array | None]:
    """(k, n) by words, NaN for candidates without any, and (n,) by BM25; None where either side has no words."""
    liked, terms = profile.liked_tfidf, candidates.terms
    if liked is None or terms is None or not len(liked):
        return None, None
    similarities, bm25 = terms.against(liked)
    if candidates.wordless is not None:
        similarities[:, candidates.wordless] = np.nan
        bm25[candidates.wordless] = np.nan
    return similarities, bm25


def _centre(plain: Float32Array, liked: Float32Array, candidates: PaperMatrix, out: Float32Array) -> None:
    """(m, n) float32 cosines after taking the candidates' centre out of both sides; NaN where nothing is left.

    Out of the cosines that are there already: a product of the centred vectors would cost as much as the first one.
    """
    towards = liked @ candidates.centre
    square = np.float32(candidates.centre @ candidates.centre)
    # A like's vector has length 1.
    lengths = np.sqrt(np.maximum(1 - 2 * towards + square, _NOTHING_LEFT))
    np.subtract(plain, (towards - square)[:, None], out=out)
    out -= candidates.towards_centre
    out /= lengths[:, None]
    out /= candidates.centred_lengths
