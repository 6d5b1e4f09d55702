"""Several names lead to one paper. On each engine."""

import grpc

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import (
    WRITE_OUTCOME_CREATED,
    WRITE_OUTCOME_UNCHANGED,
    WRITE_OUTCOME_UPDATED,
    BatchGetPapersRequest,
    DeletePaperRequest,
    GetDigestRequest,
    Paper,
)
from paperfeed.v1.feed_pb2 import FindSimilarPapersRequest, GetFeedRequest
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_LIKE,
    Event,
    ListLikesRequest,
    RecordEventsRequest,
)
from testing.calls import (
    failing,
    fresh,
    ids,
    make_digest,
    make_papers,
    rank_request,
    upsert,
    upsert_ready,
)
from tests.rpc.catalog_calls import get, write


def arxiv_number() -> str:
    """Return an arXiv number that no other test uses."""
    return f"2401.{int(fresh('')[1:], 16) % 100_000:05d}"


def test_arxiv_names_lead_to_one_paper_in_every_rpc(client: Client) -> None:
    """The id of an arXiv paper, with version, prefix or address, names the stored paper in every RPC."""
    number = arxiv_number()
    names = [number, f"{number}v3", f"arxiv:{number}", f"https://arxiv.org/abs/{number}v2", f"arxiv.org/pdf/{number}"]
    (paper, other) = make_papers(2)
    paper.paper_id = fresh("canonical")
    paper.url = f"https://arxiv.org/abs/{number}v1"
    upsert_ready(client, [paper, other])

    for name in names:
        user, canonical = fresh("user"), paper.paper_id
        digest = make_digest(client, [name, other.paper_id, canonical])
        client.profiles.RecordEvents(
            RecordEventsRequest(events=[Event(user_id=user, paper_id=name, event_type=EVENT_TYPE_LIKE)])
        )
        ranked = client.feeds.RankPapers(rank_request(liked_paper_ids=[name], candidate_paper_ids=[name]))
        feed = client.feeds.GetFeed(
            GetFeedRequest(user_id=fresh("user"), digest_id=digest, exclude_paper_ids=[name])
        ).slate

        assert get(client, name).paper_id == canonical
        batch = client.catalog.BatchGetPapers(BatchGetPapersRequest(paper_ids=[name]))
        assert ids(batch.papers) == [canonical]
        assert client.catalog.GetDigest(GetDigestRequest(digest_id=digest)).digest.paper_ids == [
            canonical,
            other.paper_id,
        ]
        assert ids(client.profiles.ListLikes(ListLikesRequest(user_id=user)).likes) == [canonical]
        assert ids(ranked.items) == [canonical]
        assert [item.paper.paper_id for item in feed.items] == [other.paper_id]
        similar = client.feeds.FindSimilarPapers(FindSimilarPapersRequest(paper_id=name)).papers
        assert similar
        assert canonical not in [near.paper.paper_id for near in similar]
    client.catalog.DeletePaper(DeletePaperRequest(paper_id=names[1]))
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "paper_id"):
        get(client, paper.paper_id)


def test_doi_and_title_lead_to_one_paper(client: Client) -> None:
    """A paper with another id but the same DOI or title is merged into the stored paper."""
    (paper,) = make_papers(1)
    name = f"10.1000/{fresh('x')}"
    paper.url = f"https://doi.org/{name}"
    upsert(client, [paper])
    by_doi = Paper(paper_id=fresh("other"), title=f"Quite another {fresh('title')}", url=f"doi:{name.upper()}")
    by_title = Paper(paper_id=fresh("third"), title=paper.title.upper().replace(" ", "  ") + "!", upvotes=5)

    assert write(client, by_title) == [(paper.paper_id, WRITE_OUTCOME_UPDATED)]
    assert write(client, by_doi) == [(paper.paper_id, WRITE_OUTCOME_UPDATED)]
    for known in (by_doi.paper_id, by_title.paper_id, f"doi:{name}", f"https://doi.org/{name}"):
        assert get(client, known).paper_id == paper.paper_id
    assert get(client, paper.paper_id).upvotes == 5


def test_two_of_a_call_that_are_one_paper_are_merged(client: Client) -> None:
    """Two papers of one call with the same title become one paper with the first id."""
    (paper,) = make_papers(1)
    twin = Paper(paper_id=fresh("twin"), title=paper.title, upvotes=9)

    assert write(client, paper, twin) == [
        (paper.paper_id, WRITE_OUTCOME_CREATED),
        (paper.paper_id, WRITE_OUTCOME_UPDATED),
    ]
    assert get(client, twin.paper_id).upvotes == 9


def test_id_is_derived_when_absent(client: Client) -> None:
    """A paper without an id gets one from its arXiv id, else its DOI, else its title, equal in every call."""
    number, token = arxiv_number(), fresh("t")
    papers = [
        Paper(title=f"first of three {token}", url=f"https://arxiv.org/abs/{number}"),
        Paper(title=f"second of three {token}", url=f"https://doi.org/10.1000/{token}"),
        Paper(title=f"third of three {token}"),
    ]

    first = write(client, *papers)

    assert [paper_id for paper_id, _ in first][:2] == [f"arxiv:{number}", f"doi:10.1000/{token}"]
    assert first[2][0].startswith("title:")
    assert write(client, *papers) == [(paper_id, WRITE_OUTCOME_UNCHANGED) for paper_id, _ in first]
