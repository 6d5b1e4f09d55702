"""Fits co-likes: user factors of liked papers by a truncated SVD of the normalised like matrix.

PureSVD, Cremonesi, Koren and Turrin 2010.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse

from ranker.blas import use_one_thread
from ranker.spaces.colikes import CoLikes, text_keys
from ranker.spaces.linear import from_bytes, from_nibbles, to_bytes, to_nibbles, unit_rows
from ranker.types import Float32Array, IndexArray
from training.recipes import CoLikeSettings
from training.spaces.space_fitting import LikedPapers

_POWER_ITERATIONS = 3


def fit_co_likes(parts: Sequence[LikedPapers], settings: CoLikeSettings, seed: int) -> CoLikes | None:
    """Return the factors of the liked papers of all data sets; None where there are no likes.

    Data sets share no users, so each gets columns of its own. Values are rounded as the bundle stores them: content
    factors to eight bits, user factors to four.

    Args:
        parts: Papers with the factors of the final map.
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
    """Return the rows of the papers kept, and (rows, rank) user factors of unit length."""
    from sklearn.utils.extmath import randomized_svd  # noqa: PLC0415 -- slow to import, and an extra of training

    likes, paper_total = part.likes, len(part.papers)
    counts = np.bincount(likes.papers, minlength=paper_total)
    liked = np.flatnonzero((counts > 0) & part.papers.has_vector)
    rank = min(factor_count, len(liked) - 1, len(np.unique(likes.users)) - 1)
    if rank < 1 or not paper_count:
        return liked[:0], np.empty((0, 0), dtype=np.float32)
    sizes = np.bincount(likes.users)
    weights = (sizes[likes.users] * counts[likes.papers]) ** -0.5
    matrix = scipy.sparse.csr_matrix((weights, (likes.users, likes.papers)), shape=(len(sizes), paper_total))
    with use_one_thread():  # scikit-learn has just loaded scipy's BLAS
        _, values, directions = randomized_svd(matrix, rank, n_iter=_POWER_ITERATIONS, random_state=seed)
    kept = np.sort(liked[np.argsort(-counts[liked], kind="stable")[:paper_count]])
    found = unit_rows((directions[:, kept].T * np.sqrt(values)).astype(np.float32))
    known = np.isfinite(found).all(axis=1)
    return kept[known], found[known]


def _sorted(parts: Sequence[LikedPapers], kept: Sequence[IndexArray], users: Float32Array) -> CoLikes | None:
    """Return the papers in the order of their text keys. Of papers with the same text the first is kept."""
    texts = [part.papers.columns.texts[row] for part, rows in zip(parts, kept, strict=True) for row in rows.tolist()]
    factors = [
        part.papers.factors[rows] for part, rows in zip(parts, kept, strict=True) if part.papers.factors is not None
    ]
    if not texts or not factors:
        return None
    keys, first = np.unique(text_keys(texts), return_index=True)
    placed, by_users = np.concatenate(factors)[first], users[first]
    return CoLikes(keys, from_bytes(to_bytes(placed)), from_nibbles(to_nibbles(by_users)))
