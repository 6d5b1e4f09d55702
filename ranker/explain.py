"""Why a paper stands where it stands: contributions per feature family, and reasons a reader can check.

Attribution follows each row's path through each tree: the step from a node to its child is credited to the family of
the feature that the node splits on. Unlike exact SHAP this is one table look-up per tree.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ranker.asker import NOBODY, Asker
from ranker.linear import multiplied_rows
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
from ranker.trees import Trees, node_means
from ranker.trending import trends
from ranker.types import BoolArray, Float64Array, IndexArray

NEAR_COSINE = 0.3
"""Below this cosine two papers do not look alike to a reader (MiniLM: unrelated papers lie around 0.1)."""
NEAR_TFIDF = 0.1
LIKENESS_FAMILIES = ("embedding", "text", "collaborative")
"""Families that speak for a paper by its likeness to what the user liked."""
NEAR_INTEREST_COSINE = 0.5
"""To the middle of an interest papers are nearer than to its likes: its own members lie around 0.65."""
SEVERAL_LIKES = 3
"""Fewer likes are named one by one and make no topic."""
FRESH_SECONDS = 7 * 86_400.0


class RankReasonKind(enum.Enum):
    """What kind of fact speaks for a paper."""

    SIMILAR_TO_LIKED = "similar_to_liked"
    FRESH = "fresh"
    TRENDING = "trending"
    TOPIC = "topic"
    FOLLOWED_AUTHOR = "followed_author"
    EXPLORATION = "exploration"


@dataclass(frozen=True, slots=True)
class RankReason:
    """One fact that speaks for a paper.

    Attributes:
        liked_index: SIMILAR_TO_LIKED only: row of the liked paper among the likes given to ``build_profile``.
        similarity: SIMILAR_TO_LIKED only: cosine of the vectors, or of the words where a vector is pending.
        interest: TOPIC only: number of the interest in ``Profile.interests``; None for a topic that the user follows.
    """

    kind: RankReasonKind
    liked_index: int | None = None
    similarity: float | None = None
    interest: int | None = None


def family_table(trees: Trees, family_of: Sequence[int]) -> tuple[Float64Array, float]:
    """What each leaf owes to each family.

    Returns:
        (t * m, families) float64 with rows in the order of ``trees.leaf_values`` flattened, and the base score: the sum
        over trees of the root's mean. A leaf's row plus its root's mean is the leaf's value.
    """
    families = np.asarray(family_of, dtype=np.intp)
    means, _ = node_means(trees)
    tree_count, node_count = means.shape
    rows = np.arange(tree_count)
    node_paths = np.zeros((tree_count, max(node_count, 1), int(families.max()) + 1))
    leaf_paths = np.zeros((*trees.leaf_values.shape, node_paths.shape[2]))
    for node in range(node_count):
        real = rows[trees.split_features[:, node] >= 0]
        family = families[trees.split_features[real, node]]
        for side in (0, 1):
            child = trees.children[real, node, side]
            for paths, values, chosen, index in (
                (node_paths, means, child >= 0, child),
                (leaf_paths, trees.leaf_values, child < 0, -1 - child),
            ):
                tree, place = real[chosen], index[chosen]
                paths[tree, place] = node_paths[tree, node]
                paths[tree, place, family[chosen]] += values[tree, place] - means[tree, node]
    stumps = trees.leaf_counts == 1
    base = float(trees.leaf_values[stumps, 0].sum() + (means[~stumps, 0].sum() if node_count else 0.0))
    return leaf_paths.reshape(-1, leaf_paths.shape[2]), base


def reasons(
    profile: Profile,
    candidates: PaperMatrix,
    rows: IndexArray,
    as_of: float,
    support: Float64Array | None,
    families: Sequence[str],
    asker: Asker = NOBODY,
) -> list[tuple[RankReason, ...]]:
    """Reasons for the candidates at ``rows``; the one that weighs most first, an empty tuple where nothing speaks.

    Args:
        support: (len(rows), len(families)) contributions; None where no model scored and likeness is all there is.
    """
    nearest, similarity = _nearest_likes(profile, candidates, rows)
    interest = _near_interests(profile, candidates, rows)
    found: list[list[tuple[float, RankReason]]] = [[] for _ in range(len(rows))]

    def add(weights: Float64Array, holds: BoolArray, reason_at: Callable[[int], RankReason]) -> None:
        for place in np.flatnonzero(holds & (weights > 0)).tolist():
            found[place].append((-float(weights[place]), reason_at(place)))

    likeness, freshness, topicality, trend = _support(support, families, len(rows))
    # Of equal weights the more concrete reason stands first.
    add(likeness, nearest >= 0, lambda i: RankReason(_KIND.SIMILAR_TO_LIKED, int(nearest[i]), float(similarity[i])))
    add(likeness, interest >= 0, lambda i: RankReason(_KIND.TOPIC, interest=int(interest[i])))
    add(topicality, _flags(asker.followed_topic, rows), lambda _: _PLAIN[_KIND.TOPIC])
    add(topicality, _flags(asker.followed_author, rows), lambda _: _PLAIN[_KIND.FOLLOWED_AUTHOR])
    ages = as_of - candidates.columns.published_at[rows]
    add(freshness, (ages >= 0) & (ages <= FRESH_SECONDS), lambda _: _PLAIN[_KIND.FRESH])
    if (trend > 0).any():
        add(trend, trends(candidates, as_of, asker.reader).is_trending[rows], lambda _: _PLAIN[_KIND.TRENDING])
    return [tuple(reason for _, reason in sorted(each, key=_weight)) for each in found]


_KIND = RankReasonKind
_PLAIN = {kind: RankReason(kind) for kind in RankReasonKind}


def _weight(pair: tuple[float, RankReason]) -> float:
    return pair[0]


def _flags(flags: BoolArray | None, rows: IndexArray) -> BoolArray:
    return np.zeros(len(rows), dtype=np.bool_) if flags is None else flags[rows]


def _near_interests(profile: Profile, candidates: PaperMatrix, rows: IndexArray) -> IndexArray:
    """The interest nearest to each row; -1 where it is not clearly near, or has too few likes to be called a topic."""
    nearest, cosines = profile.interests.nearest(candidates.units[rows])
    sizes = np.array([len(members) for members in profile.interests.members] + [0])
    clear = (sizes[nearest] >= SEVERAL_LIKES) & (np.nan_to_num(cosines) >= NEAR_INTEREST_COSINE)
    return np.where(clear, nearest, -1)


def _support(
    contributions: Float64Array | None, families: Sequence[str], count: int
) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
    """How far likeness, freshness, topics and trend speak for each row; each (count,)."""
    if contributions is None:
        return np.ones(count), np.zeros(count), np.zeros(count), np.zeros(count)
    columns = {name: contributions[:, number] for number, name in enumerate(families)}
    none = np.zeros(count)
    alike = [name for name in LIKENESS_FAMILIES if name in columns]
    # Nothing is more like the user than the best of a bad lot: where likeness weighs most, it is still the reason.
    top = np.isin(np.argmax(contributions, axis=1), [families.index(name) for name in alike])
    parts = np.array([columns[name] for name in alike] or [none])
    together = np.maximum(parts.max(axis=0), parts.sum(axis=0))
    likeness = np.where(top, np.maximum(together, 1e-9), together)
    return likeness, columns.get("recency", none), columns.get("topic", none), columns.get("trend", none)


def _nearest_likes(profile: Profile, candidates: PaperMatrix, rows: IndexArray) -> tuple[IndexArray, Float64Array]:
    """The like nearest to each row and its similarity; -1 where none is near enough to name."""
    nearest = np.full(len(rows), -1, dtype=np.intp)
    similarity = np.zeros(len(rows))
    if len(profile.liked_units) and len(rows):
        # The same bits however many places are explained.
        cosines = multiplied_rows(candidates.units[rows], np.ascontiguousarray(profile.liked_units.T))
        best = np.argmax(cosines, axis=1)
        value = cosines[np.arange(len(rows)), best]
        near = value >= NEAR_COSINE
        nearest[near], similarity[near] = profile.liked_vector_rows[best[near]], value[near]
    by_words = np.ones(len(rows), dtype=np.bool_)
    if len(profile.liked_units):
        by_words = ~candidates.has_vector[rows]
    if by_words.any() and profile.liked_tfidf is not None and len(profile.liked_tfidf) and candidates.tfidf is not None:
        cosines = profile.liked_tfidf.dot(candidates.tfidf.take(rows[by_words]))
        best = np.argmax(cosines, axis=0)
        value = cosines[best, np.arange(len(best))]
        near = value >= NEAR_TFIDF
        places = np.nonzero(by_words)[0][near]
        nearest[places], similarity[places] = profile.liked_text_rows[best[near]], value[near]
    return nearest, similarity
