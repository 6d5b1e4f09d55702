"""One reader against one set of candidates: what is left out, in what order the rest comes, and why."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.explore import Exploration, seed_of
from ranker.features import Inputs, Similarities
from ranker.pipeline import ModelRows, RankedList, model_rows, rank, rank_new_user
from ranker.profile.profile import Profile
from ranker.reasons.explain import RankReason, RankReasonKind
from ranker.spaces.spaces import PaperMatrix, plain_matrix
from ranker.types import BoolArray
from ranker.user_context import UserContext
from service.app.ranking.candidates import Candidates
from service.app.ranking.placing import columns_of
from service.app.ranking.prepared_user import PreparedUser
from service.app.ranking.serving import Serving
from service.app.ranking.signals import user_code
from service.domain.errors import InvalidField
from service.domain.events import Preferences
from service.domain.feeds import FallbackReason, Reason, ReasonType, SlateItem

MAX_SLATE_SIZE = 500


@dataclass(frozen=True)
class Ranking:
    """A ranked list with what it was made by.

    Attributes:
        features_version: See ``ranker.bundle.bundle.Bundle``; empty where no model scored.
        features: See ``Slate``.
    """

    model_version: str
    features_version: str
    fallback_reason: FallbackReason
    items: tuple[SlateItem, ...]
    features: bytes = b""


@dataclass(frozen=True)
class RankingOptions:
    """How to rank.

    Attributes:
        exclude: Ids that must not come up.
        limit: Places to fill; None ranks everything.
        page: Only so many first places of the slate are wanted; None means all.
        exploration: None explores nothing.
    """

    as_of: dt.datetime
    explain: bool = True
    diversity: float = 0.0
    exclude: frozenset[str] = frozenset()
    limit: int | None = MAX_SLATE_SIZE
    page: int | None = None
    exploration: Exploration | None = None


def check_diversity(diversity: float) -> float:
    """A number from 0 to 1 (NaN is none)."""
    if not 0.0 <= diversity <= 1.0:
        raise InvalidField("diversity", f"is {diversity}; must lie between 0 and 1")
    return diversity


def feed_exploration(
    serving: Serving, chance: float, user_id: str, shown: str, as_of: dt.datetime
) -> Exploration | None:
    """How a feed explores: alike for equal requests, not at all without a bundle.

    Args:
        shown: Names the candidates: the digest, or the window of time.
    """
    if not chance or serving.bundle is None:
        return None
    return Exploration(chance, seed_of(user_id, shown, serving.bundle.version, as_of))


class Asked(NamedTuple):
    """One of many readers.

    Attributes:
        similarities: Of the likes to the candidates, where these are known already.
    """

    user: PreparedUser
    options: RankingOptions
    similarities: Similarities | None = None


def rank_many(serving: Serving, asked: Sequence[Asked], candidates: Candidates, as_of: dt.datetime) -> list[Ranking]:
    """What ``rank_candidates`` gives each reader; the model is called once for all of them.

    Args:
        as_of: That of all the options.
    """
    moment = as_of.timestamp()
    inputs = [
        Inputs(user.profile, candidates.matrix, moment, _user_context(user, candidates), similarities)
        for user, _, similarities in asked
        if user.profile is not None
    ]
    rows = iter(model_rows(serving.bundle, inputs) if serving.bundle else ())
    return [
        rank_candidates(serving, user, candidates, options, next(rows, None) if user.profile else None)
        for user, options, _ in asked
    ]


def rank_candidates(
    serving: Serving,
    user: PreparedUser,
    candidates: Candidates,
    options: RankingOptions,
    rows_known: ModelRows | None = None,
) -> Ranking:
    """Ranks candidates for a reader. Deterministic in its arguments.

    Args:
        rows_known: What the ranker has computed ahead for this very reader; None for nothing.
    """
    as_of = options.as_of.timestamp()
    user_context = _user_context(user, candidates)
    if user.profile is None:
        ranked = _rank_new_user(user_context, candidates, options, as_of)
        version, fallback = "trending", FallbackReason.NEW_USER
    else:
        ranked = rank(
            serving.bundle,
            user.profile,
            _comparable(serving, user.profile, candidates),
            as_of,
            exclude=options.exclude,
            diversity=options.diversity,
            limit=options.limit,
            explain=options.explain,
            user_context=user_context,
            exploration=options.exploration,
            rows_known=rows_known,
            shown=options.page,
        )
        version = serving.bundle.version if serving.bundle else "cosine"
        fallback = FallbackReason.NONE if serving.bundle else FallbackReason.MODEL_UNAVAILABLE
    shown = ranked.first(options.page)
    items = tuple(_items(shown, user, candidates, explain=options.explain))
    scored = serving.bundle is not None and user.profile is not None
    features_version = serving.bundle.features_version if scored and serving.bundle else ""
    features = shown.features.astype("<f4", copy=False).tobytes()
    return Ranking(version, features_version, fallback if items else FallbackReason.EMPTY_DIGEST, items, features)


def _comparable(serving: Serving, profile: Profile, candidates: Candidates) -> PaperMatrix:
    """The candidates' matrix; where no candidate has a vector yet, of the width that the likes have."""
    width = profile.liked_units.shape[1]
    if serving.bundle is not None or not len(profile.liked_units) or candidates.matrix.units.shape[1] == width:
        return candidates.matrix
    return plain_matrix(columns_of(candidates.papers, {}, width))


def hidden_papers(user: PreparedUser, candidates: Candidates) -> frozenset[str]:
    """What a feed must not show this reader: reacted to, sent or muted."""
    if user.state is None:
        return frozenset()
    preferences = user.state.preferences
    muted = (
        paper.paper_id
        for paper, words in zip(candidates.papers, candidates.words, strict=True)
        if words.is_muted(preferences)
    )
    if preferences.muted_keywords or preferences.muted_topics or preferences.muted_authors:
        return user.state.hidden_paper_ids | frozenset(muted)
    return user.state.hidden_paper_ids


def _preferences(user: PreparedUser) -> Preferences:
    return user.state.preferences if user.state else Preferences()


def _user_context(user: PreparedUser, candidates: Candidates) -> UserContext:
    """What the reader follows among the candidates, and whose events do not count."""
    preferences = _preferences(user)
    topics, authors = preferences.followed_topics, preferences.followed_authors
    words = candidates.words
    return UserContext(
        followed_topic=_flags([any(map(each.has_topic, topics)) for each in words]) if topics else None,
        followed_author=_flags([any(map(each.has_author, authors)) for each in words]) if authors else None,
        user=user_code(user.state.user_id) if user.state else 0,
    )


def _flags(values: Sequence[bool]) -> BoolArray:
    return np.array(values, dtype=np.bool_)


def _rank_new_user(
    user_context: UserContext, candidates: Candidates, options: RankingOptions, as_of: float
) -> RankedList:
    known = [flags for flags in (user_context.followed_topic, user_context.followed_author) if flags is not None]
    return rank_new_user(
        candidates.matrix,
        as_of,
        followed=np.logical_or.reduce(known) if known else None,
        user=user_context.user,
        exclude=options.exclude,
        limit=options.limit,
        explain=options.explain,
    )


def _items(ranked: RankedList, user: PreparedUser, candidates: Candidates, *, explain: bool) -> Iterable[SlateItem]:
    reasons = _Reasons(user, candidates)
    rows, scores, propensities = ranked.rows.tolist(), ranked.scores.tolist(), ranked.action_propensities.tolist()
    papers = candidates.papers
    for place, (row, score, action_propensity) in enumerate(zip(rows, scores, propensities, strict=True)):
        why = reasons.of(ranked.reasons[place], row) if explain else ()
        yield SlateItem(place + 1, papers[row].paper_id, score, why, action_propensity)


class _Reasons:
    """The ranker's reasons in words, for one reader."""

    def __init__(self, user: PreparedUser, candidates: Candidates) -> None:
        self._user = user
        self._candidates = candidates
        self._topics: dict[int, tuple[Reason, ...]] = {}

    def of(self, found: Sequence[RankReason], row: int) -> tuple[Reason, ...]:
        """Why the candidate at ``row`` is on the slate."""
        why: list[Reason] = []
        if self._user.profile is None:
            why += self._followed_topics(row)
            why += self._followed_authors(row)
        for reason in found:
            why += self._said(reason, row)
        return tuple(why)

    def _said(self, reason: RankReason, row: int) -> Iterable[Reason]:
        kind = reason.kind
        if reason.liked_index is not None:
            liked = self._user.liked[reason.liked_index]
            return (Reason(ReasonType.SIMILAR_TO_LIKED, liked.title, liked.paper_id, reason.similarity),)
        if reason.interest is not None:
            return self._topic(reason.interest)
        if kind is RankReasonKind.TOPIC:
            return self._followed_topics(row)
        if kind is RankReasonKind.FOLLOWED_AUTHOR:
            return self._followed_authors(row)
        return _PLAIN[kind]

    def _topic(self, interest: int) -> tuple[Reason, ...]:
        if interest not in self._topics:
            name = self._user.topic_names[interest]
            # A topic that no word names would say nothing.
            self._topics[interest] = (Reason(ReasonType.TOPIC, name),) if name else ()
        return self._topics[interest]

    def _followed_topics(self, row: int) -> Iterable[Reason]:
        words = self._candidates.words[row]
        topics = _preferences(self._user).followed_topics
        return [Reason(ReasonType.TOPIC, topic) for topic in topics if words.has_topic(topic)]

    def _followed_authors(self, row: int) -> Iterable[Reason]:
        words = self._candidates.words[row]
        authors = _preferences(self._user).followed_authors
        return [Reason(ReasonType.FOLLOWED_AUTHOR, author) for author in authors if words.has_author(author)]


_PLAIN = {kind: (Reason(ReasonType(kind.value)),) for kind in RankReasonKind}
