"""Which papers belong to which of a user's edited interests, and what share each interest has.

The rule (docs/adr/0033): a paper belongs to every interest that lists it. A like that no interest lists joins the
interest with the highest mean cosine, if it is high enough. The likes that are left are clustered, and a cluster is a
new found interest while the user has fewer than eight interests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ranker.profile.interests import MAX_INTERESTS, find_interests, like_weights
from ranker.profile.joining import nearest_groups
from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float64Array, IndexArray
from service.domain.interests import InterestOrigin, StoredInterest, StoredInterests, found_id


@dataclass(frozen=True)
class Resolved:
    """An interest with the papers that belong to it at present.

    Attributes:
        stored: The interest; of a new one, without name and papers.
        liked_rows: (m,) rows of its liked papers, ascending.
        other_ids: Its papers that the user does not like; only interests that were not found have any.
        share: Its weight among all interests, 0 to 1.
    """

    stored: StoredInterest
    liked_rows: IndexArray
    other_ids: tuple[str, ...]
    share: float


def resolve(
    stored: StoredInterests, likes: PaperMatrix, liked_at: Float64Array, others: PaperMatrix
) -> tuple[Resolved, ...]:
    """Return the stored interests in their order, then new found ones, heaviest first.

    Args:
        likes: The liked papers, oldest like first.
        liked_at: (n_likes,) Unix seconds; NaN unknown.
        others: The papers of interests that the user does not like, in the same spaces.
    """
    ids = likes.columns.paper_ids
    liked = [_rows(likes, each.paper_ids) for each in stored.interests]
    other = [
        _rows(others, each.paper_ids if each.origin is not InterestOrigin.FOUND else ()) for each in stored.interests
    ]
    is_free = likes.has_vector.copy()
    is_free[[row for rows in liked for row in rows.tolist()]] = False
    is_free[[row for row, paper_id in enumerate(ids) if paper_id in stored.unsorted_paper_ids]] = False
    free = np.flatnonzero(is_free)
    groups = [
        np.concatenate([likes.units[rows[likes.has_vector[rows]]], others.units[more[others.has_vector[more]]]])
        for rows, more in zip(liked, other, strict=True)
    ]
    joined = nearest_groups(likes.units[free], groups)
    rows_of = [np.union1d(rows, free[joined == number]) for number, rows in enumerate(liked)]
    new = list(_new(stored, likes, liked_at, free[joined == -1]))
    interests = [*stored.interests, *(each for each, _ in new)]
    all_rows = [*rows_of, *(rows for _, rows in new)]
    other_ids = [tuple(others.columns.paper_ids[row] for row in rows.tolist()) for rows in other] + [()] * len(new)
    shares = _shares(interests, all_rows, liked_at)
    return tuple(map(Resolved, interests, all_rows, other_ids, shares))


def _rows(papers: PaperMatrix, paper_ids: Sequence[str]) -> IndexArray:
    """Return the rows of those of the papers that are there, ascending."""
    return np.array(sorted({papers.row_of[each] for each in paper_ids if each in papers.row_of}), dtype=np.intp)


def _new(
    stored: StoredInterests, likes: PaperMatrix, liked_at: Float64Array, rows: IndexArray
) -> Iterator[tuple[StoredInterest, IndexArray]]:
    """Yield the clusters of likes that no stored interest attracts, and their rows."""
    found = find_interests(likes.units[rows], rows, liked_at[rows])
    room = max(MAX_INTERESTS - len(stored.interests), 0)
    for members in found.members[:room]:
        interest_id = found_id(likes.columns.paper_ids[members[0]])
        if stored.find(interest_id) is None:
            yield StoredInterest(interest_id, "", InterestOrigin.FOUND, ()), members


def _shares(interests: Sequence[StoredInterest], rows: Sequence[IndexArray], liked_at: Float64Array) -> list[float]:
    """Return the share of each interest; they sum to 1.

    Without fixed weights, each of n interests that the user has named gets one n-th, because the number of papers in a
    list says little about its importance. Found interests share the rest by the weights of their likes. Fixed weights
    share what the interests without one leave, in proportion.
    """
    if not interests:
        return []
    by_like = like_weights(liked_at)
    is_found = np.array([each.origin is InterestOrigin.FOUND for each in interests])
    shares = np.full(len(interests), 1 / len(interests))
    likes = np.array([by_like[own].sum() for own in rows], dtype=np.float64)[is_found]
    if likes.sum() > 0:
        shares[is_found] = likes / likes.sum() * is_found.mean()
    is_fixed = np.array([each.weight is not None for each in interests])
    if is_fixed.any():
        fixed = np.array([each.weight or 0.0 for each in interests])[is_fixed]
        left = 1.0 if is_fixed.all() else 1 - shares[~is_fixed].sum()
        shares[is_fixed] = left * (fixed / fixed.sum() if fixed.sum() > 0 else 1 / len(fixed))
    return [float(share) for share in shares]
