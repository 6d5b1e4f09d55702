"""The stages of ranking in order: features, scores, exclusion of seen papers, diversity, exploration, reasons."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.diversify import diversify
from ranker.explore import Exploration, explore, stay_chances
from ranker.fallback import cosine_scores, trending_scores
from ranker.features import SCHEMA, Inputs, compute_features
from ranker.profile.profile import Profile
from ranker.reasons.explain import RankReason, RankReasonKind, Shown, new_user_reasons, reasons
from ranker.score import best_first
from ranker.spaces.spaces import PaperMatrix
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray
from ranker.user_context import UNKNOWN_USER, UserContext


class ScoredBy(enum.Enum):
    """The method that scored a list."""

    BUNDLE = "bundle"
    COSINE = "cosine"
    TRENDING = "trending"


@dataclass(frozen=True)
class RankedList:
    """A list of k candidates, best first.

    Attributes:
        rows: (k,) rows of the candidate matrix.
        scores: (k,) float64, rounded to 1e-6, comparable only within this list. Diversity and exploration change the
            order, so with these the scores do not fall.
        features: (k, len(SCHEMA)) float32; (k, 0) if no model scored.
        reasons: One tuple for each paper; empty without explanations.
        action_propensities: (k,) propensity of each paper at its place, see ``ranker.explore``; 1 without exploration.
        probabilities: (k,) see ``ranker.bundle.calibration``; None if no calibrated bundle scored.
    """

    rows: IndexArray
    scores: Float64Array
    features: Float32Array
    reasons: tuple[tuple[RankReason, ...], ...]
    scored_by: ScoredBy
    action_propensities: Float64Array
    probabilities: Float64Array | None = None

    def first(self, count: int | None) -> "RankedList":
        """Return the first ``count`` places; None returns the whole list."""
        if count is None or count >= len(self.rows):
            return self
        return RankedList(
            self.rows[:count],
            self.scores[:count],
            self.features[:count],
            self.reasons[:count],
            self.scored_by,
            self.action_propensities[:count],
            None if self.probabilities is None else self.probabilities[:count],
        )


@dataclass(frozen=True)
class Scored:
    """The n candidates as the model sees them for one user.

    Attributes:
        features: (n, len(SCHEMA)) float32, see ``compute_features``.
        leaves: (trees, n) output of ``Model.leaves``.
        scores: (n,) output of ``Model.scores``.
        cosines: (m, n) cosines to the user's rows, see ``Inputs.cosines``.
        contributions: (n, families) output of ``Model.contributions``; None if reasons are for few of the candidates.
    """

    features: Float32Array
    leaves: IndexArray
    scores: Float64Array
    cosines: Float32Array
    contributions: Float32Array | None = None


def score(bundle: Bundle, inputs: Inputs, *, contributes: bool = False) -> list[Scored]:
    """Return the scored candidates of each user.

    The features of all users are computed in a few large operations, and the model is called once. Up to rounding, the
    results do not depend on how many users share the call.

    Args:
        contributes: Whether to compute the contributions of all candidates. This is faster if all get reasons.
    """
    features = compute_features(inputs)
    users, count, width = features.shape
    rows = features.reshape(users * count, width)
    leaves = bundle.model.leaves(rows)
    scores = bundle.model.scores(rows, leaves).reshape(users, count)
    by_user = leaves.reshape(len(leaves), users, count).swapaxes(0, 1)
    support: Iterable[Float32Array | None] = repeat(None, users)
    if contributes:
        support = bundle.model.contributions(rows, leaves).reshape(users, count, -1)
    return [Scored(*found) for found in zip(features, by_user, scores, inputs.cosines, support, strict=True)]


def rank(  # noqa: PLR0913 (one keyword for each option)
    bundle: Bundle | None,
    profile: Profile,
    candidates: PaperMatrix,
    as_of: float,
    *,
    exclude: frozenset[str] = frozenset(),
    min_probability: float | None = None,
    diversity: float = 0.0,
    limit: int | None = None,
    explain: bool = True,
    user_context: UserContext = UNKNOWN_USER,
    scored: Scored | None = None,
    shown: int | None = None,
    exploration: Exploration | None = None,
) -> RankedList:
    """Rank the candidates for one user.

    Args:
        bundle: The bundle that scores; profile and candidates must be in its spaces. None ranks by cosine.
        as_of: Unix seconds; ages of papers are counted up to this time.
        exclude: Ids of candidates to leave out.
        min_probability: Leave out candidates with a lower probability; None leaves out none. Needs a calibrated bundle.
        diversity: 0 (order of scores) to 1.
        limit: Maximum length of the list; None returns all candidates.
        user_context: Facts about the user beyond likes.
        scored: Output of ``score`` for this user; None computes it here.
        shown: Number of first places that the user sees, at least one. Later places get no reasons and no diversity.
            None means all.
        exploration: None explores nothing. Lists scored without a bundle are never explored: they have no features to
            learn from.
    """
    if bundle is None:
        features, scores = np.empty((len(candidates), 0), dtype=np.float32), cosine_scores(profile, candidates)
    else:
        scored = scored or score(bundle, Inputs.of(profile, candidates, as_of, user_context))[0]
        features, scores = scored.features, scored.scores
    order = _unseen(best_first(scores, candidates.id_ranks), candidates, exclude)
    calibration = None if bundle is None else bundle.calibration
    probabilities = None if calibration is None else calibration.probabilities_of(scores)
    if min_probability is not None:
        if probabilities is None:
            raise ValueError("min_probability needs a calibrated bundle")
        order = order[probabilities[order] >= min_probability]
    explored = explore(len(order[:limit]), None if bundle is None else exploration)
    # Exploration may move a paper from below into the shown places, so diversity must reach down to it.
    places = int(explored.order[:shown].max(initial=-1)) + 1
    rows = diversify(order, scores, candidates, diversity, places)[:limit][explored.order]
    why: list[tuple[RankReason, ...]] = [()] * len(rows)
    if explain:
        seen = rows[:shown]
        if bundle is not None and scored is not None:
            support = (
                bundle.model.contributions(features[seen], scored.leaves[:, seen])
                if scored.contributions is None
                else scored.contributions[seen]
            )
            cosines = scored.cosines
        else:
            support, cosines = None, candidates.cosines_to([profile.liked_units, profile.interests.centroids])
        page = Shown(profile, candidates, seen, cosines, as_of, user_context)
        why[: len(seen)] = reasons(page, support, SCHEMA.families)
        if explored.place is not None and explored.place < len(seen):
            # Other reasons would say that the model chose the paper for this place.
            why[explored.place] = (RankReason(RankReasonKind.EXPLORATION),)
    scored_by = ScoredBy.COSINE if bundle is None else ScoredBy.BUNDLE
    return RankedList(
        rows,
        scores[rows],
        features[rows],
        tuple(why),
        scored_by,
        explored.action_propensities,
        None if probabilities is None else probabilities[rows],
    )


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
    """Rank the candidates for a user without likes; see ``fallback.trending_scores`` and ``rank`` for the arguments."""
    scores = trending_scores(candidates, as_of, followed, user)
    rows = _unseen(np.argsort(-scores, kind="stable"), candidates, exclude)[:limit]
    why = tuple(new_user_reasons(candidates, rows, as_of, user) if explain else [()] * len(rows))
    features = np.empty((len(rows), 0), dtype=np.float32)
    return RankedList(rows, scores[rows], features, why, ScoredBy.TRENDING, stay_chances(len(rows), 0.0))


def _unseen(order: IndexArray, candidates: PaperMatrix, exclude: frozenset[str]) -> IndexArray:
    """Return the rows of ``order`` without the excluded papers."""
    shown = np.ones(len(candidates), dtype=np.bool_)
    shown[[candidates.row_of[paper_id] for paper_id in exclude.intersection(candidates.row_of)]] = False
    return order[shown[order]]
