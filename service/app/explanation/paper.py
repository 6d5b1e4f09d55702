"""Use case of ExplainPaper: why a paper is at its rank for a user, or what keeps it out.

A new ranking is made by the functions that make feeds, for the same user, candidates and options. So an explanation
cannot differ from the feed it explains.
"""

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.diversify import diversify
from ranker.explore import read_exploration
from ranker.features import SCHEMA
from service.app.catalog import resolve_all
from service.app.feeds import Feeds
from service.app.ports import Transaction
from service.app.ranking.candidates import Candidates
from service.app.ranking.prepared_user import PreparedUser
from service.app.ranking.ranking import MAX_SLATE_SIZE, RankingOptions, check_calibrated, rank_candidates
from service.app.ranking.serving import Serving
from service.app.slates import FeedQuery
from service.domain.errors import NotFound
from service.domain.events import Event, Preferences
from service.domain.feeds import FallbackReason, Reason, Slate, SlateItem
from service.domain.ledger import hiding_events
from service.domain.matching import PaperWords, muting_preferences
from service.domain.papers import Paper

NEAREST_LIKES = 5
_UNMUTED = Preferences()


class Outcome(enum.Enum):
    """What became of a paper in a slate or ranking; feed.proto describes each."""

    SHOWN = "shown"
    NOT_IN_DIGEST = "not_in_digest"
    SEEN = "seen"
    MUTED = "muted"
    EXCLUDED = "excluded"
    BELOW_PROBABILITY = "below_probability"
    BELOW_LENGTH = "below_length"
    NOT_RECORDED = "not_recorded"


@dataclass(frozen=True)
class PaperQuery:
    """Request for an explanation.

    Attributes:
        feed: The feed to explain. Its ``as_of`` also hides events that were recorded later.
        paper_id: Id or alias of the paper.
        slate_id: A served slate to explain instead of a new ranking; empty for a new ranking.
    """

    feed: FeedQuery
    paper_id: str
    slate_id: str = ""


class FamilyContribution(NamedTuple):
    """What a family of features adds to a score, through the weighted sum and through the trees."""

    family: str
    weighted_sum: float
    trees: float


class NearestLike(NamedTuple):
    """A liked paper and the cosine to the explained paper."""

    paper: Paper
    similarity: float


@dataclass(frozen=True)
class Place:
    """The place of a paper in a list; ``ExplainPaperResponse`` in feed.proto describes the fields."""

    rank: int = 0
    score: float = 0.0
    rank_by_score: int = 0
    rank_without_topic_limit: int = 0
    rank_before_exploration: int = 0
    reasons: tuple[Reason, ...] = ()
    contributions: tuple[FamilyContribution, ...] = ()
    base_score: float = 0.0
    probability: float | None = None


@dataclass(frozen=True)
class UserFacts:
    """What a user has to do with a paper.

    Attributes:
        hidden_by: Events in force that hide the paper, newest first.
        muted_by: Muted names that match the paper; the other lists are empty.
    """

    hidden_by: tuple[Event, ...]
    muted_by: Preferences
    nearest_likes: tuple[NearestLike, ...]


@dataclass(frozen=True)
class Explanation:
    """An explanation; ``ExplainPaperResponse`` in feed.proto describes the fields."""

    outcome: Outcome
    paper: Paper
    digest_ids: tuple[str, ...]
    model_version: str
    fallback_reason: FallbackReason
    as_of: dt.datetime
    total_size: int
    facts: UserFacts
    place: Place = field(default_factory=Place)


class Explainer:
    """Explains feeds.

    Args:
        feeds: Makes the feeds to explain.
    """

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    def explain(self, query: PaperQuery) -> Explanation:
        """Return the explanation of a paper in a slate or in a new ranking.

        Raises:
            NotFound: The paper or the digest is unknown, or the user has no such slate.
            NotCalibrated: The feed has a min_probability, and the bundle has no calibration.
            BeingPlaced: The digest is large and not in memory; call again when it is.
        """
        return self._of_slate(query) if query.slate_id else self._of_ranking(query)

    def _of_ranking(self, query: PaperQuery) -> Explanation:
        feeds, feed = self._feeds, replace(query.feed, explain=True)
        as_of = feed.as_of or feeds.clock.now()
        serving = feeds.serving.choice(feed.as_of).of(feed.user_id)
        if feed.min_probability is not None:
            check_calibrated(serving)
        with feeds.store.read() as tx:
            paper = _find_paper(tx, query.paper_id)
            versions = tx.versions(feed.user_id, feed.digest_id)
            candidates, _ = feeds.candidates.of_digest(tx, serving, versions, feed.digest_id)
            user = self._user(tx, serving, feed.user_id, paper, feed.as_of)
            facts = _facts_of(tx, serving, user, feed.user_id, paper, feed.as_of)
            exclude = frozenset(tx.papers.resolve(feed.exclude_paper_ids).values())
        options = feeds.slates.options(serving, feed, user, candidates, exclude, as_of)
        # The paper is ranked even if it is left out, to say which rank it would have.
        options = replace(options, exclude=options.exclude - {paper.paper_id}, limit=None, exploration=None)
        ranking = rank_candidates(serving, user, candidates, options)
        row = _row_of(paper, ranking.items)
        is_improbable = row is None and feed.min_probability is not None
        if is_improbable:
            ranking = rank_candidates(serving, user, candidates, replace(options, min_probability=None))
            row = _row_of(paper, ranking.items)
        place = Place()
        if row is not None:
            spread = _rank_without_topic_limit(user, candidates, ranking.items, options, paper)
            place = replace(_place(ranking.items, row), rank_without_topic_limit=spread)
            place = _with_contributions(place, serving.bundle, ranking.features, row)
        return Explanation(
            outcome=_outcome(facts, place, is_excluded=paper.paper_id in exclude, is_improbable=is_improbable),
            paper=paper,
            digest_ids=candidates.digest_ids,
            model_version=ranking.model_version,
            fallback_reason=ranking.fallback_reason,
            as_of=as_of,
            total_size=len(ranking.items),
            facts=facts,
            place=place,
        )

    def _of_slate(self, query: PaperQuery) -> Explanation:
        choice = self._feeds.serving.choice()
        user_id = query.feed.user_id
        with self._feeds.store.read() as tx:
            paper = _find_paper(tx, query.paper_id)
            slate = tx.slates.find(query.slate_id, with_features=True)
            if slate is None or slate.user_id != user_id:
                raise NotFound("slate", query.slate_id, field="slate_id")
            serving = choice.of(user_id)
            user = self._user(tx, serving, user_id, paper, slate.created_at)
            facts = _facts_of(tx, serving, user, user_id, paper, slate.created_at)
            row = _row_of(paper, slate.items)
            outcome = Outcome.SHOWN if row is not None else _why_not_in_slate(tx, slate, paper, facts)
        place = Place()
        if row is not None:
            place = _place(slate.items, row)
            loaded = [each.bundle for each in (choice.serving, choice.canary) if each is not None]
            place = _with_contributions(place, _bundle_of(slate, loaded), slate.features, row)
        return Explanation(
            outcome=outcome,
            paper=paper,
            digest_ids=slate.digest_ids,
            model_version=slate.model_version,
            fallback_reason=slate.fallback_reason,
            as_of=slate.as_of,
            total_size=len(slate.items),
            facts=facts,
            place=place,
        )

    def _user(
        self, tx: Transaction, serving: Serving, user_id: str, paper: Paper, recorded_by: dt.datetime | None
    ) -> PreparedUser:
        """Return the user of that time, as if the user had never liked or disliked this paper."""
        state = tx.users.find_states([user_id], recorded_by=recorded_by).get(user_id)
        if state is None:
            return PreparedUser(state=None, profile=None)
        likes, dislikes = (
            tuple(each for each in part if each.paper_id != paper.paper_id) for part in (state.likes, state.dislikes)
        )
        is_usual = recorded_by is None and (likes, dislikes) == (state.likes, state.dislikes)
        if is_usual:
            return self._feeds.users.find(tx, serving, user_id, state.version)
        return self._feeds.users.prepare(tx, serving, replace(state, likes=likes, dislikes=dislikes))


def _find_paper(tx: Transaction, name: str) -> Paper:
    paper_id = resolve_all(tx, [name], ["paper_id"])[0]
    return tx.papers.find_many([paper_id])[paper_id]


def _facts_of(
    tx: Transaction,
    serving: Serving,
    user: PreparedUser,
    user_id: str,
    paper: Paper,
    recorded_by: dt.datetime | None,
) -> UserFacts:
    history = tx.ledger.of_papers(user_id, [paper.paper_id], recorded_by=recorded_by)
    preferences = user.state.preferences if user.state else _UNMUTED
    return UserFacts(
        hidden_by=hiding_events(history),
        muted_by=muting_preferences(preferences, PaperWords.of(paper)),
        nearest_likes=tuple(_nearest_likes(tx, serving, user, paper)),
    )


def _nearest_likes(tx: Transaction, serving: Serving, user: PreparedUser, paper: Paper) -> list[NearestLike]:
    matrix = Candidates.load(tx, serving, [paper.paper_id]).matrix
    profile = user.profile
    if profile is None or not len(profile.liked_units) or not matrix.has_vector.all():
        return []
    cosines = matrix.cosines_to([profile.liked_units])[:, 0]
    nearest = np.argsort(-cosines, kind="stable")[:NEAREST_LIKES]
    rows = profile.liked_vector_rows[nearest].tolist()
    return [
        NearestLike(user.liked[row], round(cosine, 6))
        for row, cosine in zip(rows, cosines[nearest].tolist(), strict=True)
    ]


def _outcome(facts: UserFacts, place: Place, *, is_excluded: bool, is_improbable: bool) -> Outcome:
    """Return what became of a paper in a new ranking.

    Args:
        place: Its place without what keeps it out.
    """
    if not place.rank:
        return Outcome.NOT_IN_DIGEST
    if facts.hidden_by:
        return Outcome.SEEN
    if facts.muted_by != _UNMUTED:
        return Outcome.MUTED
    if is_excluded:
        return Outcome.EXCLUDED
    if is_improbable:
        return Outcome.BELOW_PROBABILITY
    return Outcome.SHOWN if place.rank <= MAX_SLATE_SIZE else Outcome.BELOW_LENGTH


def _why_not_in_slate(tx: Transaction, slate: Slate, paper: Paper, facts: UserFacts) -> Outcome:
    """Return why a stored slate does not contain the paper, as far as the stored data say."""
    digests = [tx.digests.find(digest_id) for digest_id in slate.digest_ids]
    if digests and not any(digest and paper.paper_id in digest.paper_ids for digest in digests):
        return Outcome.NOT_IN_DIGEST
    if facts.hidden_by:
        return Outcome.SEEN
    if facts.muted_by != _UNMUTED:
        return Outcome.MUTED
    return Outcome.BELOW_LENGTH if len(slate.items) >= MAX_SLATE_SIZE else Outcome.NOT_RECORDED


def _row_of(paper: Paper, items: Sequence[SlateItem]) -> int | None:
    """Return the zero-based place of the paper; None if it has none."""
    return next((row for row, item in enumerate(items) if item.paper_id == paper.paper_id), None)


def _by_score(items: Sequence[SlateItem]) -> list[SlateItem]:
    """Return the items in the order that ``ranker.score.best_first`` gives."""
    return sorted(items, key=lambda item: (-item.score, item.paper_id))


def _place(items: Sequence[SlateItem], row: int) -> Place:
    item = items[row]
    explored = read_exploration(np.array([each.action_propensity for each in items]))
    return Place(
        rank=item.rank,
        score=item.score,
        rank_by_score=_by_score(items).index(item) + 1,
        rank_before_exploration=item.rank if explored is None else int(explored.places_before[row]) + 1,
        reasons=item.reasons,
        probability=item.probability,
    )


def _rank_without_topic_limit(
    user: PreparedUser, candidates: Candidates, items: Sequence[SlateItem], options: RankingOptions, paper: Paper
) -> int:
    matrix, in_order = candidates.matrix, _by_score(items)
    rows = np.array([matrix.row_of[item.paper_id] for item in in_order])
    scores = np.zeros(len(matrix))
    scores[rows] = [item.score for item in in_order]
    # Diversity has no effect for users without likes.
    diversity = options.diversity if user.profile is not None else 0.0
    spread = diversify(rows, scores, matrix, diversity, caps_topics=False)
    return int(np.flatnonzero(spread == matrix.row_of[paper.paper_id])[0]) + 1


def _bundle_of(slate: Slate, loaded: Sequence[Bundle | None]) -> Bundle | None:
    """Return the loaded bundle that ranked the slate; None if it is no longer loaded."""
    wanted = (slate.model_version, slate.features_version)
    return next((each for each in loaded if each and (each.version, each.features_version) == wanted), None)


def _with_contributions(place: Place, bundle: Bundle | None, features: bytes, row: int) -> Place:
    """Return the place with what each family adds to its score.

    Args:
        bundle: The bundle that ranked; None if it is unknown.
        features: Features of the whole list, as ``Slate`` stores them; empty if they are unknown.
    """
    if bundle is None or not features:
        return place
    found = np.frombuffer(features, dtype="<f4").reshape(-1, len(SCHEMA))[row : row + 1].astype(np.float32)
    leaves = bundle.model.leaves(found)
    trees, weighted = bundle.model.tree_contributions(leaves)[0], bundle.model.base_contributions(found)[0]
    contributions = tuple(map(FamilyContribution, SCHEMA.families, weighted.tolist(), trees.tolist()))
    base_score = place.score - float(trees.sum()) - float(weighted.sum())
    return replace(place, contributions=contributions, base_score=base_score)
