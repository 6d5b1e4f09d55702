"""Use cases over feeds: slates are stored, paged and streamed; similar papers are found."""

import datetime as dt
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from service.app.catalog import resolve_all
from service.app.counters import Counters
from service.app.ports import Clock, Store, Transaction, Versions
from service.app.ranking.candidate_sets import BeingPlaced, CandidateSets
from service.app.ranking.candidates import Candidates
from service.app.ranking.precomputed import Precomputed
from service.app.ranking.prepared_user import PreparedUser
from service.app.ranking.prepared_users import PreparedUsers
from service.app.ranking.sections import Section, active, named
from service.app.ranking.serving import Choice, Serving, ServingSlot
from service.app.ranking.similar import SimilarPapers
from service.app.slates import FeedQuery, SlateMaker, Wanted
from service.domain.errors import Conflict, NotFound
from service.domain.feeds import Slate
from service.domain.papers import Paper
from telemetry.record import recorder

FIRST_USERS, MOST_USERS = 4, 32
"""Users of a stream that are ranked for together: at first, so that little is made for a client that does not read; and
at most, because more would not be faster, but other calls would wait for longer."""


@dataclass(frozen=True)
class FeedPage:
    """A page of a slate.

    Attributes:
        items_from: Index of the first item on the page.
        items_to: Index after the last item on the page.
        papers: Papers of the page by id; papers deleted since are absent.
        hidden_paper_ids: Papers that the page must leave out.
    """

    slate: Slate
    items_from: int
    items_to: int
    papers: dict[str, Paper]
    hidden_paper_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Feeds:
    """Use cases over feeds.

    Attributes:
        slates: Makes the slates.
        precomputed: Rule for serving precomputed slates.
    """

    store: Store
    clock: Clock
    serving: ServingSlot
    users: PreparedUsers
    counters: Counters
    candidates: CandidateSets
    slates: SlateMaker
    precomputed: Precomputed
    index: SimilarPapers = field(default_factory=SimilarPapers)

    def feed(self, query: FeedQuery, *, page_size: int) -> FeedPage:
        """Rank and store a slate; return its first page.

        Raises:
            NotFound: The digest or the interest is unknown.
            Conflict: The user was deleted in the meantime.
            NotCalibrated: The query has a min_probability, and the bundle has no calibration.
            Overloaded: Another feed over a wide window is being computed.
            BeingPlaced: The digest is large and not in memory; call again when it is.
        """
        return self.feeds([query], page_sizes=[page_size])[0]

    def feeds(self, queries: Sequence[FeedQuery], *, page_sizes: Sequence[int]) -> list[FeedPage]:
        """Rank several queries and store their slates in one transaction; return their first pages.

        Args:
            queries: All have the same digest_id, window and as_of.

        Raises:
            NotFound, NotCalibrated, Conflict, Overloaded, BeingPlaced: As ``feed`` for any of the queries. Nothing is
                stored.
        """
        choice = self.serving.choice(queries[0].as_of)
        pages: list[FeedPage | None] = [None] * len(queries)
        known: set[str] = set()
        with self.candidates.room_for(queries[0].window):
            for serving, rows in _grouped(choice, [query.user_id for query in queries]):
                made = self._pages(serving, [queries[row] for row in rows], [page_sizes[row] for row in rows], known)
                for row, page in zip(rows, made, strict=True):
                    pages[row] = page
            complete = [page for page in pages if page is not None]
            self._save([page.slate for page in complete], known=known)
        return complete

    def _pages(
        self, serving: Serving, queries: Sequence[FeedQuery], page_sizes: Sequence[int], known: set[str]
    ) -> list[FeedPage]:
        """Return the first pages of queries that one bundle ranks; add the users who are known to ``known``."""
        with recorder().stage("read", feeds=len(queries)), self.store.read() as tx:
            versions = tx.versions_of([query.user_id for query in queries], queries[0].digest_id)
            pages = [
                self._precomputed_page(tx, serving, query, its_versions, page_size)
                for query, its_versions, page_size in zip(queries, versions, page_sizes, strict=True)
            ]
            wanted = [
                self._wanted(tx, serving, query, its_versions)
                for query, its_versions, page in zip(queries, versions, pages, strict=True)
                if page is None
            ]
            shown = self._candidates(tx, serving, queries[0], versions[0]) if wanted else None
        if shown is not None:
            candidates, date = shown
            made = iter(self.slates.make(serving, wanted, candidates, date))
            pages = [
                page or _first_page(next(made), candidates, page_size)
                for page, page_size in zip(pages, page_sizes, strict=True)
            ]
        known.update(query.user_id for query, its in zip(queries, versions, strict=True) if its.user is not None)
        return [page for page in pages if page is not None]

    def stream(
        self, query: FeedQuery, user_ids: Sequence[str] | None, *, start_after: str, page_size: int
    ) -> Iterator[FeedPage]:
        """Yield the first page of each user's feed, in order of user_id.

        Args:
            user_ids: None means all known users.
            start_after: Users up to and including this id are skipped.

        Raises:
            NotFound: The digest is unknown.
            NotCalibrated: As ``feed``, for any user that one of the bundles ranks for.
        """
        # Bundles, statistics and digest are chosen once, so that those that arrive during the stream do not change
        # later feeds.
        choice = self.serving.choice(query.as_of)
        query = replace(query, as_of=query.as_of or self.clock.now())
        pinned = query.digest_ids
        if query.is_for_newest:
            with self.store.read() as tx:
                newest = tx.versions("", "").digest
            pinned = (newest[0],) if newest else ()
        # An unknown digest fails the call before the first user is ranked for.
        self._inputs_of_many(choice.serving, [], pinned)
        for batch in self._user_batches(user_ids, start_after):
            made: dict[str, tuple[Slate, Candidates]] = {}
            known: set[str] = set()
            for serving, rows in _grouped(choice, batch):
                users, candidates, date = self._inputs_of_many(
                    serving, [batch[row] for row in rows], pinned, by_interest=query.by_interest
                )
                wanted = [
                    Wanted(replace(query, user_id=name), user, sections=sections)
                    for name, (user, sections) in users.items()
                ]
                for slate in self.slates.make(serving, wanted, candidates, date):
                    made[slate.user_id] = (slate, candidates)
                known.update(user_id for user_id, (user, _) in users.items() if user.state is not None)
            slates = [made[user_id][0] for user_id in batch]
            for slate in self._save(slates, known=known, skip_deleted=True):
                yield _first_page(slate, made[slate.user_id][1], page_size)

    def page(self, slate_id: str, *, offset: int, page_size: int, reader: str = "") -> FeedPage:
        """Return a page of a stored slate as it was served.

        Args:
            reader: User whose later reactions hide papers; empty hides none.

        Raises:
            NotFound: The slate was pruned, or its user was deleted.
        """
        with self.store.read() as tx:
            slate = tx.slates.find(slate_id)
            if slate is None:
                raise NotFound("slate", slate_id, field="page_token" if reader else "slate_id")
            items = slate.items[offset : offset + page_size]
            papers = tx.papers.find_many([item.paper_id for item in items])
            state = tx.users.find_state(reader) if reader else None
        hidden = state.hidden_paper_ids if state else frozenset()
        return FeedPage(slate, offset, offset + len(items), papers, hidden)

    def similar(self, name: str, *, limit: int) -> list[tuple[Paper, float]]:
        """Return (paper, cosine) of the papers with the nearest vectors, nearest first; ties in order of id."""
        serving = self.serving.current
        with self.store.read() as tx:
            paper_id = resolve_all(tx, [name], ["paper_id"])[0]
            target = tx.papers.vectors([paper_id], serving.encoder).get(paper_id)
            if target is None:
                return []
            found = self.index.nearest(tx, serving.encoder, target, limit=limit + 1)
            nearest = [pair for pair in found if pair[0] != paper_id][:limit]
            papers = tx.papers.find_many([near for near, _ in nearest])
        return [(papers[near], cosine) for near, cosine in nearest if near in papers]

    def _inputs_of_many(
        self, serving: Serving, user_ids: Sequence[str], digest_ids: Sequence[str], *, by_interest: bool = False
    ) -> tuple[dict[str, tuple[PreparedUser, tuple[Section, ...]]], Candidates, dt.date | None]:
        """Return the users, the candidates and the latest date of the digests; no candidates without a digest.

        Args:
            by_interest: Whether the users have sections.
        """
        while True:
            with recorder().stage("read", feeds=len(user_ids)), self.store.read() as tx:
                try:
                    candidates, date = self.candidates.of_digests(tx, serving, digest_ids)
                except BeingPlaced as placing:
                    done = placing.done
                else:
                    users = {name: self.users.find(tx, serving, name, tx.users.version(name)) for name in user_ids}
                    wanted = {
                        name: (user, active(self.users.sections(tx, serving, user)) if by_interest else ())
                        for name, user in users.items()
                    }
                    return wanted, candidates, date
            done.result()

    def _wanted(self, tx: Transaction, serving: Serving, query: FeedQuery, versions: Versions) -> Wanted:
        user = self.users.find(tx, serving, query.user_id, versions.user)
        sections: tuple[Section, ...] = ()
        if query.interest_id:
            sections = (named(self.users.sections(tx, serving, user), query.interest_id),)
        elif query.by_interest:
            sections = active(self.users.sections(tx, serving, user))
        return Wanted(query, user, frozenset(tx.papers.resolve(query.exclude_paper_ids).values()), sections)

    def _candidates(
        self, tx: Transaction, serving: Serving, query: FeedQuery, versions: Versions
    ) -> tuple[Candidates, dt.date | None]:
        """Return the candidates and the date of the digest; None for a time window."""
        if query.window is not None:
            return self.candidates.of_window(tx, serving, query.window), None
        return self.candidates.of_digest(tx, serving, versions, query.digest_id)

    def _precomputed_page(
        self, tx: Transaction, serving: Serving, query: FeedQuery, versions: Versions, page_size: int
    ) -> FeedPage | None:
        """Return the first page of a copy of a precomputed slate; None if no slate matches."""
        has_sections = query.interest_id or query.by_interest
        has_limit = query.min_probability is not None
        is_plain = not (query.window or query.as_of or query.exclude_paper_ids or has_sections or has_limit)
        if not is_plain or not self.precomputed.wanted:
            return None
        diversity, now = self.slates.diversity if query.diversity is None else query.diversity, self.clock.now()
        found = self.precomputed.find(
            tx, serving, versions, query.user_id, diversity=diversity, page_size=page_size, now=now
        )
        if found is None:
            return None
        slate, date = found
        papers = tx.papers.find_many([item.paper_id for item in slate.items[:page_size]])
        stale = query.is_for_newest and self.slates.is_stale(date, now)
        slate = replace(slate, slate_id=secrets.token_hex(16), request_hash=query.request_hash, stale_digest=stale)
        return FeedPage(slate, 0, min(page_size, len(slate.items)), papers)

    def _save(self, made: Sequence[Slate], *, known: Collection[str], skip_deleted: bool = False) -> list[Slate]:
        """Store slates; return those stored. Skip slates of known users deleted since, or raise Conflict."""
        saved = []
        with recorder().stage("write", feeds=len(made)), self.store.write() as tx:
            for slate in made:
                if tx.slates.add(slate, of_known_user=slate.user_id in known):
                    saved.append(slate)
                elif not skip_deleted:
                    raise Conflict("user", slate.user_id)
        for slate in saved:
            self.counters.count_feed(slate.fallback_reason.name, slate.model_version, stale_digest=slate.stale_digest)
        return saved

    def _user_batches(self, user_ids: Sequence[str] | None, start_after: str) -> Iterator[list[str]]:
        """Yield the users in order of user_id, in batches that grow."""
        wanted = None if user_ids is None else sorted({user_id for user_id in user_ids if user_id > start_after})
        done, size = 0, FIRST_USERS
        while True:
            if wanted is not None:
                batch = wanted[done : done + size]
            else:
                with self.store.read() as tx:
                    batch = tx.users.page_ids(after=start_after, limit=size)
            if not batch:
                return
            yield batch
            start_after, done, size = batch[-1], done + size, min(2 * size, MOST_USERS)


def _grouped(choice: Choice, user_ids: Sequence[str]) -> list[tuple[Serving, list[int]]]:
    """Return the rows of the users by what ranks for them, in order."""
    rows: dict[int, tuple[Serving, list[int]]] = {}
    for row, user_id in enumerate(user_ids):
        serving = choice.of(user_id)
        rows.setdefault(serving.generation, (serving, []))[1].append(row)
    return list(rows.values())


def _first_page(slate: Slate, candidates: Candidates, page_size: int) -> FeedPage:
    shown = {item.paper_id for item in slate.items[:page_size]}
    papers = {paper.paper_id: paper for paper in candidates.papers if paper.paper_id in shown}
    return FeedPage(slate, 0, min(page_size, len(slate.items)), papers)
