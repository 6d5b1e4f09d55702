"""Factors of liked papers by their readers: a truncated SVD of the normalised like matrix (PureSVD, Cremonesi 2010)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from ranker.blas import use_one_thread
from ranker.spaces.colikes import CoLikes, text_keys
from ranker.spaces.linear import from_bytes, from_nibbles, to_bytes, to_nibbles, unit_rows
from ranker.types import Float32Array, IndexArray
from training.spaces.factor_fitting import LikedPapers

_POWER_ITERATIONS = 3


@dataclass(frozen=True)
class CoLikeSettings:
    """How much is kept.

    Attributes:
        factor_count: Of all data sets together; each gets its share by the square root of its likes, so that beside a
            big one a small one still has some.
        paper_count: Most papers kept: those with most likes, each data set its share.
    """

    factor_count: int = 512
    paper_count: int = 12_500


def fit_co_likes(parts: Sequence[LikedPapers], settings: CoLikeSettings, seed: int) -> CoLikes | None:
    """The liked papers of all data sets; None without any. ``parts`` are placed by the map that will serve.

    Data sets share no readers, so each has factors of its own. Values are rounded to what a bundle keeps: eight
    bits, and four for readers.
    """
    counts = np.sqrt([len(part.likes.users) for part in parts])
    if not counts.sum():
        return None
    found = [
        _of_part(part, round(settings.factor_count * share), round(settings.paper_count * share), seed)
        for part, share in zip(parts, counts / counts.sum(), strict=True)
    ]
    width = sum(users.shape[1] for _, users in found)
    rows, start = [], 0
    for kept, users in found:
        rows.append(np.zeros((len(kept), width), dtype=np.float32))
        rows[-1][:, start : start + users.shape[1]] = users
        start += users.shape[1]
    return _sorted(parts, [kept for kept, _ in found], np.concatenate(rows))


def _of_part(part: LikedPapers, factor_count: int, paper_count: int, seed: int) -> tuple[IndexArray, Float32Array]:
    """Rows of the papers kept, and their factors of unit length."""
    from sklearn.utils.extmath import randomized_svd  # noqa: PLC0415 -- dear to import, and only training has it

    likes, paper_total = part.likes, len(part.papers)
    counts = np.bincount(likes.papers, minlength=paper_total)
    liked = np.flatnonzero((counts > 0) & part.papers.has_vector)
    rank = min(factor_count, len(liked) - 1, len(np.unique(likes.users)) - 1)
    if rank < 1 or not paper_count:
        return liked[:0], np.empty((0, 0), dtype=np.float32)
    sizes = np.bincount(likes.users)
    weights = (sizes[likes.users] * counts[likes.papers]) ** -0.5
    matrix = scipy.sparse.csr_matrix((weights, (likes.users, likes.papers)), shape=(len(sizes), paper_total))
    with use_one_thread():  # scikit-learn has just brought scipy's BLAS
        _, values, directions = randomized_svd(matrix, rank, n_iter=_POWER_ITERATIONS, random_state=seed)
    kept = np.sort(liked[np.argsort(-counts[liked], kind="stable")[:paper_count]])
    found = unit_rows((directions[:, kept].T * np.sqrt(values)).astype(np.float32))
    known = np.isfinite(found).all(axis=1)
    return kept[known], found[known]


def _sorted(parts: Sequence[LikedPapers], kept: Sequence[IndexArray], users: Float32Array) -> CoLikes | None:
    """In the order of their keys; of papers with one text the first is kept."""
    texts = [part.papers.columns.texts[row] for part, rows in zip(parts, kept, strict=True) for row in rows.tolist()]
    factors = [
        part.papers.factors[rows] for part, rows in zip(parts, kept, strict=True) if part.papers.factors is not None
    ]
    if not texts or not factors:
        return None
    keys, first = np.unique(text_keys(texts), return_index=True)
    placed, by_users = np.concatenate(factors)[first], users[first]
    return CoLikes(keys, from_bytes(to_bytes(placed)), from_nibbles(to_nibbles(by_users)))
