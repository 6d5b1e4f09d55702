"""Feeds: slates made, stored, paged and streamed; rankings that are not stored; similar papers."""

import datetime as dt
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from service.app.catalog import resolve_all
from service.app.counters import Counters
from service.app.ports import Clock, Store, Transaction, Versions
from service.app.ranking.candidate_sets import CandidateSets, Window
from service.app.ranking.candidates import Candidates
from service.app.ranking.precomputed import Precomputed, Wish
from service.app.ranking.prepared_user import PreparedUser
from service.app.ranking.prepared_users import PreparedUsers
from service.app.ranking.ranking import MAX_SLATE_SIZE, RankingOptions, feed_exploration, hidden_papers, rank_candidates
from service.app.ranking.serving import Serving, ServingSlot
from service.app.ranking.similar import SimilarPapers
from service.domain.errors import Conflict, NotFound
from service.domain.feeds import FallbackReason, Slate
from service.domain.identifiers import lookup_keys
from service.domain.papers import Paper

USERS_PER_READ = 200


@dataclass(frozen=True)
class FeedQuery:
    """What a feed is asked for.

    Attributes:
        digest_id: Empty for the newest. Not used with a window.
        window: None for a digest.
        as_of: None means now.
        diversity: 0 to 1; None means the service's default.
        request_hash: Names the request, for page tokens.
    """

    user_id: str
    digest_id: str = ""
    window: Window | None = None
    as_of: dt.datetime | None = None
    explain: bool = False
    diversity: float | None = None
    exclude_paper_ids: tuple[str, ...] = ()
    request_hash: str = ""


@dataclass(frozen=True)
class FeedPage:
    """Part of a slate, with its papers; ``papers`` lacks those deleted since."""

    slate: Slate
    items_from: int
    items_to: int
    papers: dict[str, Paper]
    hidden_paper_ids: frozenset[str] = frozenset()


class _Material(NamedTuple):
    """What a slate is made from.

    Attributes:
        date: Of the digest; None for a window of time.
        exclude: Papers that the caller does not want.
    """

    user: PreparedUser
    candidates: Candidates
    date: dt.date | None
    exclude: frozenset[str] = frozenset()


class Feeds:
    """Use cases over feeds.

    Args:
        diversity: Default diversity, 0 to 1.
        stale_digest_days: The newest digest counts as stale when older than this.
        precomputed: When a slate made ahead of time is served.
        exploration: Chance, 0 to 1, that a place of a slate is explored; see ``ranker.explore``.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        serving: ServingSlot,
        users: PreparedUsers,
        counters: Counters,
        *,
        diversity: float,
        stale_digest_days: float,
        precomputed: Precomputed,
        exploration: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._serving = serving
        self._counters = counters
        self._diversity = diversity
        self._stale_after = dt.timedelta(days=stale_digest_days)
        self._exploration = exploration
        self._candidates = CandidateSets(store, clock)
        self._similar = SimilarPapers()
        self._precomputed = precomputed
        self._users = users

    def feed(self, query: FeedQuery, *, page_size: int) -> FeedPage:
        """Makes and stores a slate; gives its first page.

        Raises:
            NotFound: The digest is unknown.
            Conflict: The user was deleted meanwhile.
            Overloaded: Another feed over a wide window is being made.
        """
        serving = self._serving.current
        with self._candidates.room_for(query.window):
            with self._store.read() as tx:
                versions = tx.versions(query.user_id, query.digest_id)
                made_ahead = self._made_ahead(tx, serving, query, versions, page_size)
                found = made_ahead or self._material(tx, serving, query, versions)
            if isinstance(found, FeedPage):
                page = found
            else:
                query = replace(query, as_of=query.as_of or self._clock.now())
                page = _first_page(self._make_slate(serving, query, found), found.candidates, page_size)
            self._save([page.slate], known=() if versions.user is None else {query.user_id})
        return page

    def stream(
        self, query: FeedQuery, user_ids: Sequence[str] | None, *, start_after: str, page_size: int
    ) -> Iterator[FeedPage]:
        """First pages of many users' feeds, in order of user_id; ``user_ids`` None means every known user."""
        query = replace(query, as_of=query.as_of or self._clock.now())
        # The digest is settled once: a newer one that arrives while streaming must not split the population.
        serving = self._serving.current
        with self._store.read() as tx:
            found = tx.digests.find_version(query.digest_id)
        if found is None and query.digest_id:
            raise NotFound("digest", query.digest_id, field="digest_id")
        newest_asked = not query.digest_id
        for batch in self._user_batches(user_ids, start_after):
            made = []
            with self._store.read() as tx:
                pinned = found[0] if found else ""
                versions = tx.versions("", pinned) if found else replace(tx.versions("", ""), digest=None)
                candidates, date = self._candidates.of_digest(tx, serving, versions, pinned)
                users = [self._users.find(tx, serving, user_id, tx.users.version(user_id)) for user_id in batch]
            for user_id, user in zip(batch, users, strict=True):
                mine = replace(query, user_id=user_id, digest_id="" if newest_asked else query.digest_id)
                made.append(self._make_slate(serving, mine, _Material(user, candidates, date)))
            known = {user_id for user_id, user in zip(batch, users, strict=True) if user.state is not None}
            for slate in self._save(made, known=known, skip_deleted=True):
                yield _first_page(slate, candidates, page_size)

    def page(self, user_id: str, slate_id: str, *, offset: int, page_size: int) -> FeedPage:
        """A later page of a stored slate; what the user reacted to since is named in ``hidden_paper_ids``.

        Raises:
            NotFound: The slate was pruned, or its user deleted.
        """
        with self._store.read() as tx:
            slate = self._find_slate(tx, slate_id)
            items = slate.items[offset : offset + page_size]
            papers = tx.papers.find_many([item.paper_id for item in items])
            state = tx.users.find_state(user_id)
        hidden = state.hidden_paper_ids if state else frozenset()
        return FeedPage(slate, offset, offset + len(items), papers, hidden)

    def slate(self, slate_id: str) -> FeedPage:
        """A stored slate, whole."""
        with self._store.read() as tx:
            slate = self._find_slate(tx, slate_id)
            papers = tx.papers.find_many([item.paper_id for item in slate.items])
        return FeedPage(slate, 0, len(slate.items), papers)

    def similar(self, name: str, *, limit: int) -> list[tuple[Paper, float]]:
        """(paper, cosine) of the nearest papers by vector, nearest first, ties by id; exact."""
        serving = self._serving.current
        with self._store.read() as tx:
            paper_id = resolve_all(tx, [name], ["paper_id"])[0]
            target = tx.papers.vectors([paper_id], serving.encoder).get(paper_id)
            if target is None:
                return []
            found = self._similar.nearest(tx, serving.encoder, target, limit=limit + 1)
            nearest = [pair for pair in found if pair[0] != paper_id][:limit]
            papers = tx.papers.find_many([near for near, _ in nearest])
        return [(papers[near], cosine) for near, cosine in nearest if near in papers]

    def _material(self, tx: Transaction, serving: Serving, query: FeedQuery, versions: Versions) -> _Material:
        user = self._users.find(tx, serving, query.user_id, versions.user)
        exclude = self._excluded(tx, query)
        if query.window is not None:
            return _Material(user, self._candidates.of_window(tx, serving, query.window), None, exclude)
        candidates, date = self._candidates.of_digest(tx, serving, versions, query.digest_id)
        return _Material(user, candidates, date, exclude)

    def _make_slate(self, serving: Serving, query: FeedQuery, material: _Material) -> Slate:
        user, candidates, date, exclude = material
        as_of = query.as_of or self._clock.now()
        options = RankingOptions(
            as_of=as_of,
            explain=query.explain,
            diversity=self._diversity if query.diversity is None else query.diversity,
            exclude=exclude | hidden_papers(user, candidates),
            limit=MAX_SLATE_SIZE,
            exploration=feed_exploration(serving, self._exploration, query.user_id, _shown(query, candidates), as_of),
        )
        ranking = rank_candidates(serving, user, candidates, options)
        fallback = ranking.fallback_reason
        asked_for_newest = not query.digest_id and query.window is None
        if fallback is FallbackReason.NONE and asked_for_newest and self._is_stale(date, as_of):
            fallback = FallbackReason.STALE_DIGEST
        self._counters.count_fallback(fallback.name)
        return Slate(
            slate_id=secrets.token_hex(16),
            user_id=query.user_id,
            digest_id=candidates.digest_id,
            model_version=ranking.model_version,
            fallback_reason=fallback,
            as_of=as_of,
            created_at=self._clock.now(),
            request_hash=query.request_hash,
            pending_paper_count=candidates.pending_paper_count,
            items=ranking.items,
            features_version=ranking.features_version,
            features=ranking.features,
        )

    def _made_ahead(
        self, tx: Transaction, serving: Serving, query: FeedQuery, versions: Versions, page_size: int
    ) -> FeedPage | None:
        """The first page of a precomputed slate, as a slate of its own; None where none fits."""
        is_plain = not (query.window or query.as_of or query.exclude_paper_ids)
        if not is_plain or not self._precomputed.wanted:
            return None
        diversity, now = self._diversity if query.diversity is None else query.diversity, self._clock.now()
        found = self._precomputed.find(tx, serving, Wish(query.user_id, diversity, page_size), versions, now)
        if found is None:
            return None
        papers = tx.papers.find_many([item.paper_id for item in found.slate.items[:page_size]])
        slate = replace(found.slate, slate_id=secrets.token_hex(16), request_hash=query.request_hash)
        # That no new digest comes is to be heard under overload too.
        hides_nothing = slate.fallback_reason in {FallbackReason.NONE, FallbackReason.OVERLOAD}
        if hides_nothing and not query.digest_id and self._is_stale(found.date, now):
            slate = replace(slate, fallback_reason=FallbackReason.STALE_DIGEST)
        self._counters.count_fallback(slate.fallback_reason.name)
        return FeedPage(slate, 0, min(page_size, len(slate.items)), papers)

    def _is_stale(self, date: dt.date | None, as_of: dt.datetime) -> bool:
        return date is not None and as_of.date() - date > self._stale_after

    def _save(self, made: Sequence[Slate], *, known: Collection[str], skip_deleted: bool = False) -> list[Slate]:
        """Stores slates, but none for a known user who was deleted since the profile was read."""
        saved = []
        with self._store.write() as tx:
            for slate in made:
                if tx.slates.add(slate, of_known_user=slate.user_id in known):
                    saved.append(slate)
                elif not skip_deleted:
                    raise Conflict("user", slate.user_id)
        return saved

    @staticmethod
    def _excluded(tx: Transaction, query: FeedQuery) -> frozenset[str]:
        keys = [key for name in query.exclude_paper_ids for key in lookup_keys(name)]
        return frozenset(tx.papers.resolve(keys).values()) if keys else frozenset()

    @staticmethod
    def _find_slate(tx: Transaction, slate_id: str) -> Slate:
        slate = tx.slates.find(slate_id)
        if slate is None:
            raise NotFound("slate", slate_id, field="slate_id")
        return slate

    def _user_batches(self, user_ids: Sequence[str] | None, start_after: str) -> Iterator[list[str]]:
        if user_ids is not None:
            wanted = sorted({user_id for user_id in user_ids if user_id > start_after})
            for start in range(0, len(wanted), USERS_PER_READ):
                yield wanted[start : start + USERS_PER_READ]
            return
        while True:
            with self._store.read() as tx:
                batch = tx.users.page_ids(after=start_after, limit=USERS_PER_READ)
            if not batch:
                return
            yield batch
            start_after = batch[-1]


def _shown(query: FeedQuery, candidates: Candidates) -> str:
    """Names what the slate is of."""
    return f"{query.window[0]}/{query.window[1]}" if query.window else candidates.digest_id


def _first_page(slate: Slate, candidates: Candidates, page_size: int) -> FeedPage:
    shown = {item.paper_id for item in slate.items[:page_size]}
    papers = {paper.paper_id: paper for paper in candidates.papers if paper.paper_id in shown}
    return FeedPage(slate, 0, min(page_size, len(slate.items)), papers)
