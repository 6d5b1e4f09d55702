"""Candidate papers, placed in the spaces of the serving bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ranker.spaces.spaces import PaperMatrix
from service.app.ports import Transaction, Vectors
from service.app.ranking.placing import place_papers
from service.app.ranking.serving import Serving
from service.domain.matching import PaperWords
from service.domain.papers import Paper


@dataclass(frozen=True)
class Candidates:
    """Candidate papers, ready to be ranked for any user.

    Attributes:
        digest_ids: Digests of the papers; empty if they come from a time window or from the request.
        words: Normalised words of each paper, in the order of ``papers``.
        matrix: Rows of the papers in the spaces of the bundle, in the same order.
        pending_paper_count: Papers without a vector.
    """

    digest_ids: tuple[str, ...]
    papers: tuple[Paper, ...]
    words: tuple[PaperWords, ...]
    matrix: PaperMatrix
    pending_paper_count: int

    @classmethod
    def build(
        cls, serving: Serving, papers: Sequence[Paper], vectors: Mapping[str, Vectors], digest_ids: Sequence[str] = ()
    ) -> "Candidates":
        """Return candidates from papers and their vectors by paper id."""
        return cls(
            digest_ids=tuple(digest_ids),
            papers=tuple(papers),
            words=tuple(PaperWords.of(paper) for paper in papers),
            matrix=place_papers(serving, papers, vectors),
            pending_paper_count=sum(1 for paper in papers if paper.paper_id not in vectors),
        )

    @classmethod
    def load(
        cls, tx: Transaction, serving: Serving, paper_ids: Sequence[str], digest_ids: Sequence[str] = ()
    ) -> "Candidates":
        """Return candidates from stored papers; leave out unknown ids."""
        found = tx.papers.find_many(paper_ids)
        papers = [found[paper_id] for paper_id in paper_ids if paper_id in found]
        return cls.build(serving, papers, tx.papers.vectors(list(found), serving.encoder), digest_ids)
