"""Explanations of a paper's rank: contributions of feature families, and reasons that a user can check.

The contributions follow the path of each row through each tree. The change in mean value from a node to its child
belongs to the family of the feature that the node splits on. Unlike exact SHAP, this takes one table look-up per tree.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.profile.profile import Profile
from ranker.reasons.naming import SEVERAL_TITLES
from ranker.spaces.spaces import PaperMatrix
from ranker.trees import Trees, node_means
from ranker.trending import trends
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray
from ranker.user_context import UserContext

NEAR_COSINE = 0.3
"""Least cosine at which two papers look alike to a user (MiniLM: unrelated papers have about 0.1)."""
NEAR_TFIDF = 0.1
"""Least TF-IDF cosine at which two papers look alike to a user."""
LIKENESS_FAMILIES = ("embedding", "text", "collaborative")
"""Families that measure the similarity of a paper to the user's likes."""
NEAR_INTEREST_COSINE = 0.5
"""Least cosine to the centroid of an interest. The members of an interest have about 0.65 to its centroid."""
FRESH_SECONDS = 7 * 86_400.0


class RankReasonKind(enum.Enum):
    """The kind of a reason."""

    SIMILAR_TO_LIKED = "similar_to_liked"
    FRESH = "fresh"
    TRENDING = "trending"
    TOPIC = "topic"
    FOLLOWED_AUTHOR = "followed_author"
    EXPLORATION = "exploration"


class RankReason(NamedTuple):
    """One reason for the rank of a paper.

    Attributes:
        liked_index: SIMILAR_TO_LIKED only: row of the liked paper among the likes given to ``build_profile``.
        similarity: SIMILAR_TO_LIKED only: cosine of the vectors, or TF-IDF cosine if a vector is pending.
        interest: TOPIC only: number of the interest in ``Profile.interests``; None for a topic that the user follows.
    """

    kind: RankReasonKind
    liked_index: int | None = None
    similarity: float | None = None
    interest: int | None = None


def family_table(trees: Trees, family_of: Sequence[int]) -> Float64Array:
    """Return what each family contributes to the value of each leaf.

    Returns:
        (t * m, families) float64, rows in the order of ``trees.leaf_values`` flattened. The sum of a leaf's row plus
        the mean of its tree's root is the leaf's value.
    """
    families, (means, _) = np.asarray(family_of, dtype=np.intp), node_means(trees)
    tree = np.arange(len(means))
    paths = np.zeros((*trees.leaf_values.shape, int(families.max()) + 1))
    for node in range(means.shape[1]):
        family = families[trees.split_features[:, node]]
        for side in (0, 1):
            child = trees.children[:, node, side]
            value = np.where(child >= 0, means[tree, np.maximum(child, 0)], trees.leaf_values[tree, -1 - child])
            # Nothing is below the nodes beyond a tree's last one.
            paths[tree, :, family] += trees.below[:, node, side] * (value - means[:, node])[:, None]
    return paths.reshape(-1, paths.shape[2])


@dataclass(frozen=True)
class Shown:
    """The candidates that one user sees.

    Attributes:
        rows: (k,) rows of ``candidates``.
        cosines: (m, n) cosines of all n candidates to the user's m likes with vectors, interests and perhaps others.
        as_of: Unix seconds.
    """

    profile: Profile
    candidates: PaperMatrix
    rows: IndexArray
    cosines: Float32Array
    as_of: float
    user_context: UserContext


def is_fresh(candidates: PaperMatrix, as_of: float) -> BoolArray:
    """Return which of the candidates were published within ``FRESH_SECONDS`` before ``as_of`` (Unix seconds); (n,)."""
    ages = as_of - candidates.columns.published_at
    return np.asarray((ages >= 0) & (ages <= FRESH_SECONDS))


def new_user_reasons(
    candidates: PaperMatrix, rows: IndexArray, as_of: float, user: int = 0
) -> list[tuple[RankReason, ...]]:
    """Return the reason for each row of candidates ranked for a user without likes: TRENDING, else FRESH, else none.

    FRESH tells nothing if all candidates are fresh, so then it is left out.

    Args:
        rows: (k,) rows of ``candidates``.
        user: Code of the user whose own events do not count; 0 for none.
    """
    trending, fresh = trends(candidates, as_of, user).is_trending, is_fresh(candidates, as_of)
    if fresh.all():
        fresh = np.zeros_like(fresh)
    return [
        (_PLAIN[_KIND.TRENDING],) if trends_now else (_PLAIN[_KIND.FRESH],) if is_new else ()
        for trends_now, is_new in zip(trending[rows].tolist(), fresh[rows].tolist(), strict=True)
    ]


def reasons(shown: Shown, support: Float32Array | None, families: Sequence[str]) -> list[tuple[RankReason, ...]]:
    """Return the reasons for each candidate shown, the weightiest first; an empty tuple if there are none.

    Args:
        support: (k, len(families)) contributions of the families; None if no model scored, and then only the
            similarity to likes can be a reason.
    """
    likeness, freshness, topicality, trend = _support(support, families, len(shown.rows))
    context, trending = shown.user_context, None
    if (trend > 0).any():
        trending = trends(shown.candidates, shown.as_of, context.user).is_trending
    # Of equal weights the more specific reason comes first.
    found = (
        (likeness, _similar(shown, likeness > 0)),
        (likeness, _near_interests(shown, likeness > 0)),
        (topicality, _plain(_KIND.TOPIC, _flags(context.followed_topic, shown.rows, topicality))),
        (topicality, _plain(_KIND.FOLLOWED_AUTHOR, _flags(context.followed_author, shown.rows, topicality))),
        (freshness, _plain(_KIND.FRESH, is_fresh(shown.candidates, shown.as_of)[shown.rows] & (freshness > 0))),
        (trend, _plain(_KIND.TRENDING, _flags(trending, shown.rows, trend))),
    )
    kept = [(weights, *each) for weights, each in found if each is not None]
    if not kept:
        return [()] * len(shown.rows)
    known = np.array([holds for _, holds, _ in kept])
    weights = np.where(known, [weights for weights, _, _ in kept], -np.inf)
    orders = np.argsort(-weights, axis=0, kind="stable").T.tolist()
    by_row = list(zip(*(each for _, _, each in kept), strict=True))
    return [
        tuple([row[kind] for kind in order[:count]])
        for row, order, count in zip(by_row, orders, known.sum(axis=0).tolist(), strict=True)
    ]


_KIND = RankReasonKind
_PLAIN = {kind: RankReason(kind) for kind in RankReasonKind}
_Reasons = tuple[BoolArray, list[RankReason | None]]
"""Whether each row has the reason, and the reason of each row."""


def _flags(flags: BoolArray | None, rows: IndexArray, weights: Float32Array) -> BoolArray | None:
    """Return which of the rows have the flag and a positive weight; None without flags."""
    return None if flags is None else flags[rows] & (weights > 0)


def _plain(kind: RankReasonKind, holds: BoolArray | None) -> _Reasons | None:
    """Return a reason of this kind for each row where it holds; None if it holds for no row."""
    if holds is None or not holds.any():
        return None
    reason = _PLAIN[kind]
    return holds, [reason if each else None for each in holds.tolist()]


def _near_interests(shown: Shown, holds: BoolArray) -> _Reasons | None:
    """Return the nearest interest as a reason for each row, if it is near and has at least ``SEVERAL_TITLES``."""
    first, sizes = len(shown.profile.liked_units), [len(members) for members in shown.profile.interests.members]
    if not sizes:
        return None
    cosines = shown.cosines[first : first + len(sizes), shown.rows]
    nearest = cosines.argmax(axis=0)
    # The cosine of a pending vector is NaN, which compares as false.
    near = holds & (np.array(sizes)[nearest] >= SEVERAL_TITLES) & (cosines.max(axis=0) >= NEAR_INTEREST_COSINE)
    if not near.any():
        return None
    found = [RankReason(_KIND.TOPIC, interest=number) for number in range(len(sizes))]
    return near, [found[number] if each else None for number, each in zip(nearest.tolist(), near.tolist(), strict=True)]


def _similar(shown: Shown, holds: BoolArray) -> _Reasons | None:
    """Return the nearest like as a reason for each row, if one is near enough."""
    nearest, similarity = _nearest_likes(shown)
    near, kind = holds & (nearest >= 0), _KIND.SIMILAR_TO_LIKED
    return near, [
        RankReason(kind, like, value) if each else None
        for like, value, each in zip(nearest.tolist(), similarity.tolist(), near.tolist(), strict=True)
    ]


def _support(
    contributions: Float32Array | None, families: Sequence[str], count: int
) -> tuple[Float32Array, Float32Array, Float32Array, Float32Array]:
    """Return the weights of similarity, recency, topics and trend for each row; each (count,)."""
    none = np.zeros(count, dtype=np.float32)
    if contributions is None:
        return np.ones(count, dtype=np.float32), none, none, none
    columns = dict(zip(families, contributions.T, strict=True))
    is_alike = np.array([name in LIKENESS_FAMILIES for name in families])
    parts = contributions.T[is_alike] if is_alike.any() else none[None]
    together = np.maximum(parts.max(axis=0), parts.sum(axis=0))
    # If a similarity family contributes most, similarity is a reason even if its contribution is not positive.
    top = is_alike[contributions.argmax(axis=1)]
    likeness = np.where(top, np.maximum(together, 1e-9), together)
    return likeness, columns.get("recency", none), columns.get("topic", none), columns.get("trend", none)


def _nearest_likes(shown: Shown) -> tuple[IndexArray, Float32Array]:
    """Return the nearest like of each row, -1 if none is near enough, and the similarity to it."""
    profile, candidates, rows = shown.profile, shown.candidates, shown.rows
    nearest = np.full(len(rows), -1, dtype=np.intp)
    similarity = np.zeros(len(rows), dtype=np.float32)
    by_vector = candidates.has_vector[rows] if len(profile.liked_units) else np.zeros(len(rows), dtype=np.bool_)
    if by_vector.any():
        cosines = shown.cosines[: len(profile.liked_units), rows[by_vector]]
        _take_near(nearest, similarity, by_vector, cosines, profile.liked_vector_rows, NEAR_COSINE)
    if not by_vector.all() and profile.liked_tfidf is not None and candidates.tfidf is not None:
        cosines = profile.liked_tfidf.dot(candidates.tfidf.take(rows[~by_vector]))
        _take_near(nearest, similarity, ~by_vector, cosines, profile.liked_text_rows, NEAR_TFIDF)
    return nearest, similarity


def _take_near(
    nearest: IndexArray,
    similarity: Float32Array,
    chosen: BoolArray,
    cosines: Float32Array,
    like_rows: IndexArray,
    least: float,
) -> None:
    """Write the nearest like of the chosen papers and its cosine, where that is at least ``least``.

    Args:
        cosines: (likes, chosen papers).
        like_rows: (likes,) numbers of the likes.
    """
    if not len(cosines):
        return
    best = cosines.argmax(axis=0)
    value = cosines[best, np.arange(len(best))]
    near = value >= least
    places = np.flatnonzero(chosen)[near]
    nearest[places], similarity[places] = like_rows[best[near]], value[near]
