"""Use case of RankPapers: ranks stored or inline papers for a user or for liked papers. Stores nothing."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.app.catalog import check_papers, resolve_distinct
from service.app.counters import Counters
from service.app.ports import Clock, Encoder, Store, Transaction, Vectors
from service.app.ranking.candidates import Candidates
from service.app.ranking.prepared_user import PreparedUser
from service.app.ranking.prepared_users import PreparedUsers
from service.app.ranking.ranking import Ranking, RankingOptions, rank_candidates
from service.app.ranking.serving import Serving, ServingSlot
from service.app.ranking.signals import with_signals
from service.domain.errors import DeadlineTooShort, InvalidField
from service.domain.papers import Paper, embedding_text
from telemetry.record import recorder

MAX_INLINE_BYTES = 4_000_000


@dataclass(frozen=True)
class RankingQuery:
    """Request for a ranking: exactly one of the first three fields and one of the next two has a value."""

    user_id: str = ""
    liked_paper_ids: tuple[str, ...] = ()
    liked_papers: tuple[Paper, ...] = ()
    candidate_paper_ids: tuple[str, ...] = ()
    candidate_papers: tuple[Paper, ...] = ()
    as_of: dt.datetime | None = None
    explain: bool = False


@dataclass(frozen=True)
class InlineRanking:
    """Ranks papers without storing anything.

    Attributes:
        encoder: Embeds inline text; it caches recent vectors.
    """

    store: Store
    clock: Clock
    serving: ServingSlot
    users: PreparedUsers
    encoder: Encoder
    counters: Counters

    def rank(
        self, query: RankingQuery, *, timeout_seconds: float, is_wanted: Callable[[], bool] = lambda: True
    ) -> tuple[Ranking, int]:
        """Return the ranking of all candidates and the number of candidates without a vector.

        Args:
            timeout_seconds: Limit for embedding.
            is_wanted: Called repeatedly; if it returns False, the work ends.

        Raises:
            InvalidField: The query has too much text, or a paper breaks a rule.
            NotFound: A paper named by id is unknown.
            DeadlineTooShort: The text was not embedded in time, or the ranking is no longer wanted.
        """

        def check() -> None:
            if not is_wanted():
                raise DeadlineTooShort("ranking")

        liked, candidates = _check(query)
        serving = self.serving.choice(query.as_of).of(query.user_id)
        vectors = self._embed(serving, [*liked, *candidates], timeout_seconds)
        check()
        with recorder().stage("read"), self.store.read() as tx:
            user = self._user(tx, serving, query, liked, _by_id(liked, vectors))
            if query.candidate_paper_ids:
                paper_ids = resolve_distinct(tx, query.candidate_paper_ids, "candidate_paper_ids.paper_ids")
                ranked = with_signals(tx, Candidates.load(tx, serving, paper_ids, check=check))
            else:
                found = _by_id(candidates, vectors[len(liked) :])
                ranked = Candidates.build(serving, candidates, found, check=check)
        check()
        options = RankingOptions(as_of=query.as_of or self.clock.now(), explain=query.explain, limit=None)
        with recorder().stage("rank", feeds=1, candidates=len(ranked.papers)):
            ranking = rank_candidates(serving, user, ranked, options)
        self.counters.count_feed(ranking.fallback_reason.name, ranking.model_version)
        return ranking, ranked.pending_paper_count

    def _embed(self, serving: Serving, papers: Sequence[Paper], timeout_seconds: float) -> Sequence[Vectors]:
        # While the catalog is embedded again, the old encoder still serves; new vectors would be of another space.
        if not papers or serving.encoder != self.encoder.name:
            return []
        texts = [embedding_text(paper.title, paper.abstract) for paper in papers]
        return list(self.encoder.encode(texts, timeout_seconds=timeout_seconds))

    def _user(
        self, tx: Transaction, serving: Serving, query: RankingQuery, liked: list[Paper], vectors: dict[str, Vectors]
    ) -> PreparedUser:
        if query.user_id:
            return self.users.find(tx, serving, query.user_id, tx.users.version(query.user_id))
        if query.liked_paper_ids:
            paper_ids = resolve_distinct(tx, query.liked_paper_ids, "liked_paper_ids.paper_ids")
            found = tx.papers.find_many(paper_ids)
            liked, vectors = [found[name] for name in paper_ids], tx.papers.vectors(paper_ids, serving.encoder)
        return PreparedUser.given(serving, liked, vectors)


def _text_bytes(papers: Sequence[Paper]) -> int:
    return sum(
        len(text.encode("utf-8", "replace"))
        for paper in papers
        for text in (paper.title, paper.abstract, paper.url, *paper.authors, *paper.categories)
    )


def _by_id(papers: Sequence[Paper], vectors: Sequence[Vectors]) -> dict[str, Vectors]:
    """Return the first vectors by paper id; empty if nothing was embedded.

    Likes and candidates need separate results, because one id may name two texts.
    """
    return {paper.paper_id: vector for paper, vector in zip(papers, vectors, strict=False)}


def _check(query: RankingQuery) -> tuple[list[Paper], list[Paper]]:
    """Return the liked and the candidate papers of the query with trimmed texts."""
    given = {"liked_papers.papers": query.liked_papers, "candidate_papers.papers": query.candidate_papers}
    sizes = {path: _text_bytes(papers) for path, papers in given.items()}
    if sum(sizes.values()) > MAX_INLINE_BYTES:
        problem = f"inline text has {sum(sizes.values())} bytes; at most {MAX_INLINE_BYTES} are allowed"
        raise InvalidField(max(sizes, key=lambda path: sizes[path]), problem)
    liked, candidates = (check_papers(papers, path) for path, papers in given.items())
    return liked, candidates
