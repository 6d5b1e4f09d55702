"""How slates are made: queries become rankings of candidates, and rankings become slates."""

import datetime as dt
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.app.ports import Clock
from service.app.ranking.candidate_sets import Window
from service.app.ranking.candidates import Candidates
from service.app.ranking.prepared_user import PreparedUser
from service.app.ranking.ranking import (
    MAX_SLATE_SIZE,
    Asked,
    Ranking,
    RankingOptions,
    check_calibrated,
    feed_exploration,
    hidden_papers,
    rank_many,
)
from service.app.ranking.sections import Section, mixed
from service.app.ranking.serving import Serving
from service.domain.feeds import Slate
from telemetry.record import recorder


@dataclass(frozen=True)
class FeedQuery:
    """Request for a feed.

    Attributes:
        digest_id: Empty for the newest digest; ignored with a window or ``digest_ids``.
        window: Time window of the candidates; None for a digest.
        as_of: Time at which ages are computed. Also selects the statistics of the catalog of that time. None means now.
        diversity: 0 to 1; None means the configured default.
        min_probability: 0 to 1; papers with a lower probability are left out. None leaves out none.
        request_hash: Identifies the request, for page tokens.
        digest_ids: Digests whose papers are joined; only for ``Feeds.stream``.
        interest_id: The interest to rank for; empty for all of them.
        by_interest: Whether the slate has a section for each interest that is not paused.
    """

    user_id: str
    digest_id: str = ""
    window: Window | None = None
    as_of: dt.datetime | None = None
    explain: bool = False
    diversity: float | None = None
    min_probability: float | None = None
    exclude_paper_ids: tuple[str, ...] = ()
    request_hash: str = ""
    digest_ids: tuple[str, ...] = ()
    interest_id: str = ""
    by_interest: bool = False

    @property
    def is_for_newest(self) -> bool:
        """Whether the candidates are the papers of the newest digest."""
        return not self.digest_id and not self.digest_ids and self.window is None


class Wanted(NamedTuple):
    """A slate to make: the query, its prepared user, the papers that the query excludes, and its sections."""

    query: FeedQuery
    user: PreparedUser
    exclude: frozenset[str] = frozenset()
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class SlateMaker:
    """Makes slates; it stores none.

    Attributes:
        diversity: Default diversity, 0 to 1.
        stale_after: Age above which the newest digest is stale.
        exploration: Chance, 0 to 1, that a place of a slate is explored; see ``ranker.explore``.
    """

    clock: Clock
    diversity: float
    stale_after: dt.timedelta
    exploration: float

    def make(
        self, serving: Serving, wanted: Sequence["Wanted"], candidates: Candidates, date: dt.date | None
    ) -> list[Slate]:
        """Return a slate for each wanted one; their queries have the same ``as_of``."""
        if any(each.query.min_probability is not None for each in wanted):
            check_calibrated(serving)
        as_of = wanted[0].query.as_of or self.clock.now()
        # Each section is one more user of the same ranking call.
        asked = [ask for each in wanted for ask in self._asked(serving, each, candidates, as_of)]
        with recorder().stage("rank", feeds=len(asked), candidates=len(candidates.papers)):
            rankings = iter(rank_many(serving, asked, candidates, as_of))
        return [self._slate(each.query, candidates, _ranking(each.sections, rankings), date, as_of) for each in wanted]

    def _asked(self, serving: Serving, wanted: "Wanted", candidates: Candidates, as_of: dt.datetime) -> list[Asked]:
        """Return the rankings that a slate is made of: one for each of its sections, or a single one."""
        query, user, exclude, sections = wanted
        # The swaps of exploration are defined over the whole slate, which sections share.
        share = 0.0 if query.by_interest and sections else self.exploration
        options = self.options(serving, query, user, candidates, exclude, as_of, exploration=share)
        return [Asked(each, options) for each in [section.user for section in sections] or [user]]

    def options(
        self,
        serving: Serving,
        query: FeedQuery,
        user: PreparedUser,
        candidates: Candidates,
        exclude: frozenset[str],
        as_of: dt.datetime,
        *,
        exploration: float | None = None,
    ) -> RankingOptions:
        """Return the options with which the candidates are ranked for a feed.

        Args:
            exclude: Papers that the query excludes.
            exploration: Chance of a swap; None means the server's.
        """
        return RankingOptions(
            as_of=as_of,
            explain=query.explain,
            diversity=self.diversity if query.diversity is None else query.diversity,
            exclude=exclude | hidden_papers(user, candidates),
            min_probability=query.min_probability,
            limit=MAX_SLATE_SIZE,
            exploration=feed_exploration(
                serving,
                self.exploration if exploration is None else exploration,
                query.user_id,
                _shown(query, candidates),
                as_of,
            ),
        )

    def _slate(
        self,
        query: FeedQuery,
        candidates: Candidates,
        ranking: Ranking,
        date: dt.date | None,
        as_of: dt.datetime,
    ) -> Slate:
        return Slate(
            slate_id=secrets.token_hex(16),
            user_id=query.user_id,
            digest_ids=candidates.digest_ids,
            model_version=ranking.model_version,
            fallback_reason=ranking.fallback_reason,
            as_of=as_of,
            created_at=self.clock.now(),
            request_hash=query.request_hash,
            pending_paper_count=candidates.pending_paper_count,
            items=ranking.items,
            features_version=ranking.features_version,
            features=ranking.features,
            statistics_version=ranking.statistics_version,
            stale_digest=query.is_for_newest and self.is_stale(date, as_of),
            sections=ranking.sections,
        )

    def is_stale(self, date: dt.date | None, as_of: dt.datetime) -> bool:
        """Return whether a digest of this date is too old for the newest one; False without a date."""
        return date is not None and as_of.date() - date > self.stale_after


def _ranking(sections: Sequence[Section], rankings: Iterator[Ranking]) -> Ranking:
    """Return the next ranking, or that of the next rankings of these sections."""
    return mixed(sections, [next(rankings) for _ in sections]) if sections else next(rankings)


def _shown(query: FeedQuery, candidates: Candidates) -> str:
    """Identify the candidates of a slate, to seed exploration."""
    return f"{query.window[0]}/{query.window[1]}" if query.window else " ".join(candidates.digest_ids)
