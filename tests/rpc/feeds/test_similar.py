"""FindSimilarPapers."""

from collections.abc import Callable

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import PAPER_VIEW_FULL, DeletePaperRequest, Paper
from paperfeed.v1.feed_pb2 import FindSimilarPapersRequest
from service.domain.papers import embedding_text
from service.encoder import HashingEncoder
from testing.calls import failing, fresh, make_papers, upsert, upsert_ready
from testing.servers import Service, serving


def similar(client: Client, name: str, **fields: int) -> list[tuple[str, float]]:
    answer = client.feeds.FindSimilarPapers(FindSimilarPapersRequest(paper_id=name, **fields))
    return [(near.paper.paper_id, near.similarity) for near in answer.papers]


def test_nearest_first_with_their_cosines(own: Service) -> None:
    """All other papers come in order of the exact cosine, without the paper itself."""
    papers = [*make_papers(6), *make_papers(3, "audio")]
    upsert_ready(own.client, papers)
    vectors = HashingEncoder().encode([embedding_text(paper.title, paper.abstract) for paper in papers])
    cosines = {paper.paper_id: float(vector @ vectors[0]) for paper, vector in zip(papers, vectors, strict=True)}
    del cosines[papers[0].paper_id]

    found = similar(own.client, papers[0].paper_id)

    assert [name for name, _ in found] == sorted(cosines, key=lambda name: -cosines[name])
    assert dict(found) == pytest.approx(cosines, abs=1e-5)


def test_ties_go_by_id_and_a_twin_is_not_the_paper_itself(own: Service) -> None:
    """Papers with the same text come in order of id; only the requested paper is left out."""
    (paper,) = make_papers(1)
    paper.title = "Two words"  # too short a title to name one paper
    twins = [type(paper)(paper_id=name, title=paper.title, abstract=paper.abstract) for name in ("c", "a", "b")]
    upsert_ready(own.client, twins)

    assert similar(own.client, "b") == [("a", 1.0), ("c", 1.0)]
    assert similar(own.client, "c", limit=1) == [("a", 1.0)]


def test_pages_are_capped(client: Client) -> None:
    """0 means 20 papers, and more than 100 means 100."""
    first, *_ = upsert_ready(client, make_papers(130))

    assert len(similar(client, first)) == 20
    assert len(similar(client, first, limit=7)) == 7
    assert len(similar(client, first, limit=1_000_000)) == 100


def test_pending_paper_has_no_neighbours_yet(start: Callable[..., Service]) -> None:
    """For a paper without a vector the answer is empty, not an error."""
    client = start(embeds=False).client
    first, _ = upsert(client, make_papers(2))

    assert similar(client, first) == []


def test_view(client: Client) -> None:
    """FULL includes abstracts, the default does not."""
    first, second = make_papers(2)
    upsert_ready(client, [first, second])
    request = FindSimilarPapersRequest(paper_id=first.paper_id, view=PAPER_VIEW_FULL)

    full = client.feeds.FindSimilarPapers(request).papers
    basic = client.feeds.FindSimilarPapers(FindSimilarPapersRequest(paper_id=first.paper_id)).papers

    assert all(near.paper.abstract for near in full)
    assert not any(near.paper.abstract for near in basic)


def test_unknown_paper(client: Client) -> None:
    """An unknown paper is NOT_FOUND with its name."""
    name = fresh("nowhere")

    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "paper_id") as failure:
        similar(client, name)

    assert (failure.said.metadata["resource"], failure.said.metadata["name"]) == ("paper", name)


def test_changes_show_at_once(each_engine: Service) -> None:
    """New, changed and deleted papers take effect in the next answer, also on another process."""
    client, word = each_engine.client, fresh("zymurgy")
    twin = [Paper(paper_id=fresh("twin"), title="Two words", abstract=f"{word} {word}") for _ in range(3)]
    first, second, third = (paper.paper_id for paper in twin)
    with serving(each_engine.url) as other:
        upsert_ready(client, twin[:1])
        assert all(cosine < 0.99 for _, cosine in similar(other.client, first))
        upsert_ready(client, twin[1:2])
        assert similar(other.client, first, limit=1) == [(second, 1.0)]
        upsert_ready(client, twin[2:])
        client.catalog.DeletePaper(DeletePaperRequest(paper_id=second))
        assert similar(other.client, first, limit=1) == [(third, 1.0)]
        twin[2].abstract = "of something else entirely"
        upsert_ready(client, twin[2:])
        assert all(cosine < 0.99 for _, cosine in similar(other.client, first))
