"""Ranking of a set of candidates for a user: hidden papers, order and reasons."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.explore import Exploration, seed_of
from ranker.features import Inputs
from ranker.pipeline import RankedList, Scored, rank, rank_new_user, score
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
from service.domain.errors import NotCalibrated
from service.domain.feeds import FallbackReason, Reason, ReasonType, SlateItem, SlateSection
from service.domain.matching import Matches

MAX_SLATE_SIZE = 500
SCORED_ROWS = 6_000
"""Number of pairs of a user and a candidate that are scored in one call. More would not be faster; they take 30 MB."""
_PLAIN_REASONS = {kind: Reason(ReasonType(kind.value)) for kind in RankReasonKind}
# Python looks up a member of an enumeration as slowly as it makes a reason.
_SIMILAR, _TOPIC, _AUTHOR = ReasonType.SIMILAR_TO_LIKED, ReasonType.TOPIC, ReasonType.FOLLOWED_AUTHOR


@dataclass(frozen=True)
class Ranking:
    """A ranked list and the model that ranked it; ``Slate`` describes the fields."""

    model_version: str
    features_version: str
    fallback_reason: FallbackReason
    items: tuple[SlateItem, ...]
    features: bytes = b""
    statistics_version: int = 0
    sections: tuple[SlateSection, ...] = ()


@dataclass(frozen=True)
class RankingOptions:
    """Options of a ranking.

    Attributes:
        as_of: Time at which ages and trends are computed.
        exclude: Ids of papers to leave out.
        min_probability: Papers with a lower probability are left out; None leaves out none. Users without likes get all
            papers.
        limit: Number of places to fill; None ranks all candidates.
        page: Number of first places to return; None returns all.
        exploration: None means no exploration.
    """

    as_of: dt.datetime
    explain: bool = True
    diversity: float = 0.0
    exclude: frozenset[str] = frozenset()
    min_probability: float | None = None
    limit: int | None = MAX_SLATE_SIZE
    page: int | None = None
    exploration: Exploration | None = None


def check_calibrated(serving: Serving) -> None:
    """Raise NotCalibrated unless the bundle that ranks gives probabilities."""
    if serving.bundle is None:
        raise NotCalibrated(f"no model bundle ranks: {serving.problem}")
    if serving.bundle.calibration is None:
        raise NotCalibrated(f"the model bundle {serving.bundle.version} has no calibration; train it again")


def feed_exploration(
    serving: Serving, chance: float, user_id: str, shown: str, as_of: dt.datetime
) -> Exploration | None:
    """Return the exploration of a feed, equal for equal arguments; None if ``chance`` is 0 or there is no bundle.

    Args:
        chance: Chance, 0 to 1, that a place is explored; see ``ranker.explore``.
        shown: Identifies the candidates: the digest id, or the time window as text.
    """
    if not chance or serving.bundle is None:
        return None
    return Exploration(chance, seed_of(user_id, shown, serving.bundle.version, as_of))


class Asked(NamedTuple):
    """A user to rank for with the options of the ranking."""

    user: PreparedUser
    options: RankingOptions


def rank_many(serving: Serving, asked: Sequence[Asked], candidates: Candidates, as_of: dt.datetime) -> list[Ranking]:
    """Rank candidates for several users, as many at a time as ``SCORED_ROWS`` allows.

    Up to rounding, a user's ranking does not depend on the other users.

    Args:
        as_of: The ``as_of`` of all options.
    """
    size = max(SCORED_ROWS // max(len(candidates.papers), 1), 1)
    found: list[Ranking] = []
    for group in (asked[start : start + size] for start in range(0, len(asked), size)):
        with serving.times.measured(len(group)):
            found += _rank_group(serving, group, candidates, as_of)
    return found


def _rank_group(
    serving: Serving, asked: Sequence[Asked], candidates: Candidates, as_of: dt.datetime
) -> Iterator[Ranking]:
    """Yield the ranking of each user. The features of all users are computed in one call, and so are the scores."""
    contexts = [_user_context(user, candidates) for user, _ in asked]
    known = [(user.profile, context) for (user, _), context in zip(asked, contexts, strict=True) if user.profile]
    scored: Iterator[Scored] = iter(())
    if serving.bundle is not None and known:
        profiles, their_contexts = zip(*known, strict=True)
        inputs = Inputs(profiles, candidates.matrix, as_of.timestamp(), their_contexts)
        explains_all = all(options.explain and options.page is None for _, options in asked)
        scored = iter(score(serving.bundle, inputs, contributes=explains_all))
    for (user, options), context in zip(asked, contexts, strict=True):
        yield _rank(serving, user, candidates, options, context, next(scored, None) if user.profile else None)


def rank_candidates(serving: Serving, user: PreparedUser, candidates: Candidates, options: RankingOptions) -> Ranking:
    """Rank candidates for a user. Equal arguments give equal results."""
    return rank_many(serving, [Asked(user, options)], candidates, options.as_of)[0]


def _rank(
    serving: Serving,
    user: PreparedUser,
    candidates: Candidates,
    options: RankingOptions,
    user_context: UserContext,
    scored: Scored | None,
) -> Ranking:
    as_of = options.as_of.timestamp()
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
            min_probability=options.min_probability,
            diversity=options.diversity,
            limit=options.limit,
            explain=options.explain,
            user_context=user_context,
            exploration=options.exploration,
            scored=scored,
            shown=options.page,
        )
        version = serving.bundle.version if serving.bundle else "cosine"
        fallback = FallbackReason.NONE if serving.bundle else FallbackReason.MODEL_UNAVAILABLE
    shown = ranked.first(options.page)
    items = tuple(_items(shown, user, candidates, explain=options.explain))
    used = serving.bundle if user.profile is not None else None
    return Ranking(
        model_version=version,
        features_version=used.features_version if used else "",
        fallback_reason=fallback if items else FallbackReason.EMPTY_DIGEST,
        items=items,
        features=shown.features.astype("<f4", copy=False).tobytes(),
        statistics_version=serving.statistics_version if used else 0,
    )


def _comparable(serving: Serving, profile: Profile, candidates: Candidates) -> PaperMatrix:
    """Return the candidates' matrix; if no candidate has a vector yet, with the dimension of the likes' vectors."""
    width = profile.liked_units.shape[1]
    if serving.bundle is not None or not len(profile.liked_units) or candidates.matrix.units.shape[1] == width:
        return candidates.matrix
    return plain_matrix(columns_of(candidates.papers, {}, width))


def hidden_papers(user: PreparedUser, candidates: Candidates) -> frozenset[str]:
    """Return the papers that a feed must not show this user: reacted to, sent or muted."""
    if user.state is None:
        return frozenset()
    muted = candidates.matcher.find(user.state).muted
    return user.state.hidden_paper_ids.union(candidates.papers[row].paper_id for row in muted)


def _user_context(user: PreparedUser, candidates: Candidates) -> UserContext:
    """Return the user's context: followed candidates, and the code of the user's own events."""
    if user.state is None:
        return UserContext()
    matches, preferences = candidates.matcher.find(user.state), user.state.preferences
    return UserContext(
        followed_topic=_flags(matches.topics, candidates) if preferences.followed_topics else None,
        followed_author=_flags(matches.authors, candidates) if preferences.followed_authors else None,
        user=user_code(user.state.user_id),
    )


def _flags(rows: Collection[int], candidates: Candidates) -> BoolArray:
    flags = np.zeros(len(candidates.papers), dtype=np.bool_)
    flags[list(rows)] = True
    return flags


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


def _items(ranked: RankedList, user: PreparedUser, candidates: Candidates, *, explain: bool) -> Iterator[SlateItem]:
    rows, scores, propensities = ranked.rows.tolist(), ranked.scores.tolist(), ranked.action_propensities.tolist()
    probabilities = [None] * len(rows) if ranked.probabilities is None else ranked.probabilities.tolist()
    papers, matches = candidates.papers, candidates.matcher.find(user.state)
    columns = zip(rows, scores, propensities, probabilities, strict=True)
    for place, (row, value, action_propensity, probability) in enumerate(columns):
        why = _reasons(user, matches, row, ranked.reasons[place]) if explain else ()
        yield SlateItem(place + 1, papers[row].paper_id, value, why, action_propensity, probability=probability)


def _reasons(user: PreparedUser, matches: Matches, row: int, found: Sequence[RankReason]) -> tuple[Reason, ...]:
    """Return the ranker's reasons for the candidate at ``row`` as reasons of the service."""
    shown: list[Reason] = []
    if user.profile is None:
        shown += _followed(_TOPIC, matches.topics, row) + _followed(_AUTHOR, matches.authors, row)
    for kind, liked_index, similarity, interest in found:
        if liked_index is not None:
            liked = user.liked[liked_index]
            shown.append(Reason(_SIMILAR, liked.title, liked.paper_id, similarity))
        elif interest is not None:
            # An interest without a name gives no reason.
            if name := user.topic_names[interest]:
                shown.append(Reason(_TOPIC, name))
        elif (plain := _PLAIN_REASONS[kind]).reason_type is _TOPIC:
            shown += _followed(_TOPIC, matches.topics, row)
        elif plain.reason_type is _AUTHOR:
            shown += _followed(_AUTHOR, matches.authors, row)
        else:
            shown.append(plain)
    return tuple(shown)


def _followed(kind: ReasonType, names: Mapping[int, Sequence[str]], row: int) -> list[Reason]:
    return [Reason(kind, name) for name in names.get(row, ())]
