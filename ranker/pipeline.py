"""The stages in order: features, scores, seen papers out, variety, page, exploration, reasons."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.diversify import diversify
from ranker.explore import Exploration, Explored, explore, stay_chances
from ranker.fallback import cosine_scores, trending_scores
from ranker.features import SCHEMA, Inputs, feature_matrix
from ranker.profile.profile import Profile, find_interests_of
from ranker.reasons.explain import RankReason, RankReasonKind, reasons
from ranker.score import best_first
from ranker.spaces.spaces import PaperMatrix
from ranker.trending import trends
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray, Int32Array
from ranker.user_context import UNKNOWN_USER, UserContext


class ScoredBy(enum.Enum):
    """What the scores of a list mean."""

    BUNDLE = "bundle"
    COSINE = "cosine"
    TRENDING = "trending"


@dataclass(frozen=True)
class RankedList:
    """k candidates, best first.

    Attributes:
        rows: (k,) rows of the candidate matrix.
        scores: (k,) float64, rounded to 1e-6, comparable only inside this list; not sorted where variety
            or exploration was asked for.
        features: (k, len(SCHEMA)) float32; (k, 0) where no model scored.
        reasons: One tuple for each row; empty tuples where no explanation was asked for.
        action_propensities: (k,) of each paper at its place, see ``ranker.explore``; 1 where nothing was explored.
    """

    rows: IndexArray
    scores: Float64Array
    features: Float32Array
    reasons: tuple[tuple[RankReason, ...], ...]
    scored_by: ScoredBy
    action_propensities: Float64Array

    def first(self, count: int | None) -> "RankedList":
        """The first places alone; None gives all."""
        if count is None or count >= len(self.rows):
            return self
        return RankedList(
            self.rows[:count],
            self.scores[:count],
            self.features[:count],
            self.reasons[:count],
            self.scored_by,
            self.action_propensities[:count],
        )


@dataclass(frozen=True)
class ModelRows:
    """One reader's candidates as the model sees them, computed ahead of ``rank`` beside those of other readers.

    Attributes:
        inputs: What the features were computed from.
        features: (n, len(SCHEMA)) float32, of ``compute_matrix``.
        leaves: (n, trees), of ``Model.leaves``.
    """

    inputs: Inputs
    features: Float32Array
    leaves: Int32Array


def model_rows(bundle: Bundle, users: Sequence[Inputs]) -> list[ModelRows]:
    """The rows of many readers: features of each by itself, then one call of the model for all of them.

    Equal bit for bit to what ``rank`` computes for one reader; a call of LightGBM costs as much as 40 rows.
    """
    if not users:
        return []
    find_interests_of([each.profile for each in users])
    features = [feature_matrix(each) for each in users]
    leaves = np.split(bundle.model.leaves(np.concatenate(features)), len(users))
    return [ModelRows(*each) for each in zip(users, features, leaves, strict=True)]


def rank(  # noqa: PLR0913 (one list, and one keyword for each wish that may be left out)
    bundle: Bundle | None,
    profile: Profile,
    candidates: PaperMatrix,
    as_of: float,
    *,
    exclude: frozenset[str] = frozenset(),
    diversity: float = 0.0,
    limit: int | None = None,
    explain: bool = True,
    user_context: UserContext = UNKNOWN_USER,
    rows_known: ModelRows | None = None,
    shown: int | None = None,
    exploration: Exploration | None = None,
) -> RankedList:
    """One user's slate from one candidate matrix.

    Args:
        bundle: None ranks by cosine. Otherwise profile and candidates must be in this bundle's spaces.
        as_of: Unix seconds; ages are counted to it.
        exclude: Ids that must not appear.
        diversity: 0 (order of scores) to 1.
        limit: None returns all candidates.
        user_context: What is known of the reader beyond likes.
        rows_known: Of ``model_rows``, for just these arguments; None computes them here.
        shown: Places that matter, at least one: what follows has no reasons and is not varied. None means all.
        exploration: None changes no place. Lists that no bundle scored hold nothing to learn from and stay as they are.
    """
    inputs = Inputs(profile, candidates, as_of, user_context)
    if bundle is None:
        features, leaves = np.empty((len(candidates), 0), dtype=np.float32), None
        scores = cosine_scores(profile, candidates)
    else:
        known = rows_known or model_rows(bundle, [inputs])[0]
        inputs, features, leaves = known.inputs, known.features, known.leaves
        scores = bundle.model.scores(leaves)
    order = _unseen(best_first(scores, candidates.id_ranks), candidates, exclude)
    explored = explore(len(order[:limit]), None if bundle is None else exploration)
    # Exploration may bring a paper from below onto what is shown.
    places = int(explored.order[:shown].max(initial=-1)) + 1
    rows = diversify(order, scores, candidates, diversity, places)[:limit][explored.order]
    why: list[tuple[RankReason, ...]] = [()] * len(rows)
    if explain:
        seen = rows[:shown]
        support = None if bundle is None or leaves is None else bundle.model.contributions(leaves[seen])
        found = reasons(inputs, seen, support, SCHEMA.families)
        why[: len(seen)] = _with_exploration(found, explored)
    scored_by = ScoredBy.COSINE if bundle is None else ScoredBy.BUNDLE
    return RankedList(rows, scores[rows], features[rows], tuple(why), scored_by, explored.action_propensities)


def rank_new_user(
    candidates: PaperMatrix,
    as_of: float,
    *,
    followed: BoolArray | None = None,
    user: int = 0,
    exclude: frozenset[str] = frozenset(),
    limit: int | None = None,
    explain: bool = True,
) -> RankedList:
    """A slate for someone of whom no like is known: see ``fallback.trending_scores``."""
    scores = trending_scores(candidates, as_of, followed, user)
    rows = _unseen(np.argsort(-scores, kind="stable"), candidates, exclude)[:limit]
    trending = trends(candidates, as_of, user).is_trending[rows]
    why = tuple((RankReason(RankReasonKind.TRENDING),) if explain and hot else () for hot in trending)
    features = np.empty((len(rows), 0), dtype=np.float32)
    return RankedList(rows, scores[rows], features, why, ScoredBy.TRENDING, stay_chances(len(rows), 0.0))


def _with_exploration(why: list[tuple[RankReason, ...]], explored: Explored) -> list[tuple[RankReason, ...]]:
    """The paper that exploration moved up stands where it does for that reason first; what else is true of it stays."""
    if explored.place is not None and explored.place < len(why):
        why[explored.place] = (RankReason(RankReasonKind.EXPLORATION), *why[explored.place])
    return why


def _unseen(order: IndexArray, candidates: PaperMatrix, exclude: frozenset[str]) -> IndexArray:
    if not exclude:
        return order
    hidden = exclude.intersection(candidates.row_of)
    if not hidden:
        return order
    shown = np.ones(len(candidates), dtype=np.bool_)
    shown[[candidates.row_of[paper_id] for paper_id in hidden]] = False
    return order[shown[order]]
