"""One reader against one set of candidates: what is left out, in what order the rest comes, and why."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ranker.pipeline import RankedList, rank, rank_new_user
from ranker.profile import Profile
from ranker.spaces import PaperMatrix, plain_matrix
from service.app.matrices import Candidates, Reader, columns_of
from service.app.serving import Serving
from service.domain.events import Preferences
from service.domain.feeds import FallbackReason, Reason, ReasonType, SlateItem

MAX_SLATE_SIZE = 500


@dataclass(frozen=True)
class Ranking:
    """A ranked list with what it was made by."""

    model_version: str
    fallback_reason: FallbackReason
    items: tuple[SlateItem, ...]


@dataclass(frozen=True)
class RankingOptions:
    """How to rank.

    Attributes:
        exclude: Ids that must not come up.
        limit: Places to fill; None ranks everything.
    """

    as_of: dt.datetime
    explain: bool = True
    diversity: float = 0.0
    exclude: frozenset[str] = frozenset()
    limit: int | None = MAX_SLATE_SIZE


def rank_candidates(serving: Serving, reader: Reader, candidates: Candidates, options: RankingOptions) -> Ranking:
    """Ranks candidates for a reader. Deterministic in its arguments."""
    as_of = options.as_of.timestamp()
    if reader.profile is None:
        ranked = _rank_new_user(reader, candidates, options, as_of)
        version, fallback = "trending", FallbackReason.NEW_USER
    else:
        ranked = rank(
            serving.bundle,
            reader.profile,
            _comparable(serving, reader.profile, candidates),
            as_of,
            exclude=options.exclude,
            diversity=options.diversity,
            limit=options.limit,
            explain=options.explain,
        )
        version = serving.bundle.version if serving.bundle else "cosine"
        fallback = FallbackReason.NONE if serving.bundle else FallbackReason.MODEL_UNAVAILABLE
    items = tuple(_items(ranked, reader, candidates, explain=options.explain))
    return Ranking(version, fallback if items else FallbackReason.EMPTY_DIGEST, items)


def _comparable(serving: Serving, profile: Profile, candidates: Candidates) -> PaperMatrix:
    """The candidates' matrix; where no candidate has a vector yet, of the width that the likes have."""
    width = profile.liked_units.shape[1]
    if serving.bundle is not None or not len(profile.liked_units) or candidates.matrix.units.shape[1] == width:
        return candidates.matrix
    return plain_matrix(columns_of(candidates.papers, {}, width))


def hidden_papers(reader: Reader, candidates: Candidates) -> frozenset[str]:
    """What a feed must not show this reader: reacted to, sent or muted."""
    if reader.state is None:
        return frozenset()
    preferences = reader.state.preferences
    muted = (
        paper.paper_id
        for paper, words in zip(candidates.papers, candidates.words, strict=True)
        if words.is_muted(preferences)
    )
    if preferences.muted_keywords or preferences.muted_topics or preferences.muted_authors:
        return reader.state.hidden_paper_ids | frozenset(muted)
    return reader.state.hidden_paper_ids


def _preferences(reader: Reader) -> Preferences:
    return reader.state.preferences if reader.state else Preferences()


def _rank_new_user(reader: Reader, candidates: Candidates, options: RankingOptions, as_of: float) -> RankedList:
    preferences = _preferences(reader)
    followed = np.array(
        [
            any(words.has_topic(topic) for topic in preferences.followed_topics)
            or any(words.has_author(author) for author in preferences.followed_authors)
            for words in candidates.words
        ],
        dtype=bool,
    )
    return rank_new_user(
        candidates.matrix,
        as_of,
        followed=followed,
        exclude=options.exclude,
        limit=options.limit,
        explain=options.explain,
    )


def _items(ranked: RankedList, reader: Reader, candidates: Candidates, *, explain: bool) -> Iterable[SlateItem]:
    for place, row in enumerate(ranked.rows):
        reasons = tuple(_reasons(ranked, place, int(row), reader, candidates)) if explain else ()
        yield SlateItem(
            rank=place + 1,
            paper_id=candidates.papers[row].paper_id,
            score=float(ranked.scores[place]),
            reasons=reasons,
            features=ranked.features[place].astype("<f4").tobytes(),
        )


def _reasons(ranked: RankedList, place: int, row: int, reader: Reader, candidates: Candidates) -> Iterable[Reason]:
    if reader.profile is None:
        yield from _followed(_preferences(reader), candidates, row)
    for reason in ranked.reasons[place]:
        kind = ReasonType(reason.kind.value)
        if reason.liked_index is None:
            yield Reason(kind)
        else:
            liked = reader.liked[reason.liked_index]
            yield Reason(kind, subject=liked.title, paper_id=liked.paper_id, similarity=reason.similarity)


def _followed(preferences: Preferences, candidates: Candidates, row: int) -> Iterable[Reason]:
    words = candidates.words[row]
    for topic in preferences.followed_topics:
        if words.has_topic(topic):
            yield Reason(ReasonType.TOPIC, subject=topic)
    for author in preferences.followed_authors:
        if words.has_author(author):
            yield Reason(ReasonType.FOLLOWED_AUTHOR, subject=author)
