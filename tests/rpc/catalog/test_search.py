"""SearchPapers over gRPC: pages, limits and errors. On each engine."""

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import PAPER_VIEW_FULL, DeletePaperRequest, SearchPapersRequest
from testing.calls import failing, fresh, ids, make_papers
from tests.rpc.catalog_calls import write


def test_pages(client: Client) -> None:
    """The pages hold each matching paper once, with the abstract if the request asks for it."""
    word = fresh("w").replace("-", "")
    papers = make_papers(5)
    for number, paper in enumerate(papers):
        paper.title = f"{word} {number}"
        paper.abstract = "An abstract."
    write(client, *papers)
    request = SearchPapersRequest(query=word, page_size=2, view=PAPER_VIEW_FULL)

    pages = []
    while True:
        answer = client.catalog.SearchPapers(request)
        pages.append(ids(answer.papers))
        assert all(paper.abstract for paper in answer.papers)
        request.page_token = answer.next_page_token
        if not request.page_token:
            break

    assert [len(page) for page in pages] == [2, 2, 1]
    assert {each for page in pages for each in page} == {paper.paper_id for paper in papers}
    assert client.catalog.SearchPapers(SearchPapersRequest(query=f"{word} -0", page_size=0)).papers[0].abstract == ""
    client.catalog.DeletePaper(DeletePaperRequest(paper_id=papers[0].paper_id))
    assert len(client.catalog.SearchPapers(SearchPapersRequest(query=word)).papers) == 4


@pytest.mark.parametrize("query", ["", "-only", "x" * 501, "a " * 33, "a\x00"])
def test_queries_that_are_refused(client: Client, query: str) -> None:
    """A query without a word to find, or one that is too long, is INVALID_ARGUMENT on the field query."""
    with failing(grpc.StatusCode.INVALID_ARGUMENT, field="query"):
        client.catalog.SearchPapers(SearchPapersRequest(query=query))


def test_a_token_of_another_query(client: Client) -> None:
    """The token of one query is refused with another."""
    word = fresh("w").replace("-", "")
    papers = make_papers(2)
    for paper in papers:
        paper.title = f"{word} {paper.paper_id}"
    write(client, *papers)
    token = client.catalog.SearchPapers(SearchPapersRequest(query=word, page_size=1)).next_page_token

    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        client.catalog.SearchPapers(SearchPapersRequest(query=f"{word} x", page_token=token))
