"""Papers are written, read, listed and cleared. On each engine."""

import datetime as dt
from collections.abc import Callable

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import (
    EMBEDDING_STATE_PENDING,
    EMBEDDING_STATE_READY,
    PAPER_VIEW_BASIC,
    PAPER_VIEW_FULL,
    WRITE_OUTCOME_CREATED,
    WRITE_OUTCOME_UNCHANGED,
    WRITE_OUTCOME_UPDATED,
    BatchGetPapersRequest,
    ListPapersRequest,
    Paper,
    UpsertPapersRequest,
)
from paperfeed.v1.feed_pb2 import GetFeedRequest
from service.app.embedder import embed_pending
from service.resources import SystemClock
from testing.calls import (
    MONDAY,
    at,
    failing,
    fresh,
    ids,
    make_digest,
    make_papers,
    upsert,
    upsert_ready,
    wait_until,
)
from testing.servers import Service
from tests.rpc.catalog_calls import get, write


def test_upsert_tells_created_unchanged_and_updated(client: Client) -> None:
    """UpsertPapers returns the outcome of each paper: created, unchanged or updated."""
    old, new = make_papers(2)
    assert write(client, old) == [(old.paper_id, WRITE_OUTCOME_CREATED)]

    again = write(client, old, new)
    changed = Paper(paper_id=old.paper_id, title=old.title, upvotes=7)

    assert again == [(old.paper_id, WRITE_OUTCOME_UNCHANGED), (new.paper_id, WRITE_OUTCOME_CREATED)]
    assert write(client, changed) == [(old.paper_id, WRITE_OUTCOME_UPDATED)]


def test_every_field_comes_back(client: Client) -> None:
    """GetPaper returns all fields as written, including the order of authors and categories."""
    (paper,) = make_papers(1)
    paper.authors.extend(["Zoë Ångström", "Ada Lovelace"])
    paper.categories.extend(["cs.LG", "cs.AI"])
    paper.url = f"https://example.org/{fresh('p')}"
    paper.upvotes = 0
    paper.published_at.CopyFrom(at(MONDAY))
    paper.first_seen_at.CopyFrom(at(MONDAY + dt.timedelta(hours=1)))

    upsert_ready(client, [paper])

    paper.embedding_state = EMBEDDING_STATE_READY
    assert get(client, paper.paper_id) == paper


def test_unknown_upvotes_are_not_zero(client: Client) -> None:
    """A paper without upvotes is returned without the field."""
    (paper,) = make_papers(1)

    upsert(client, [paper])

    assert not get(client, paper.paper_id).HasField("upvotes")


def test_first_seen_is_the_time_of_the_call_when_absent(client: Client) -> None:
    """A paper without first_seen_at gets the time of the call, and later writes do not change it."""
    (paper,) = make_papers(1)
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)

    upsert(client, [paper])
    first = get(client, paper.paper_id).first_seen_at
    paper.first_seen_at.CopyFrom(at(MONDAY))
    upsert(client, [paper])

    assert before < first.ToDatetime(dt.UTC) < dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    assert get(client, paper.paper_id).first_seen_at == first


def test_empty_field_keeps_stored_value(client: Client) -> None:
    """A write with empty fields erases no stored values."""
    (paper,) = make_papers(1, authors=["Ada Lovelace"], categories=["cs.LG"], url="https://example.org/x", upvotes=3)
    paper.published_at.CopyFrom(at(MONDAY))
    upsert(client, [paper])
    before = get(client, paper.paper_id)

    outcome = write(client, Paper(paper_id=paper.paper_id, title=paper.title))

    assert outcome == [(paper.paper_id, WRITE_OUTCOME_UNCHANGED)]
    after = get(client, paper.paper_id)
    after.embedding_state = before.embedding_state
    assert after == before


def test_update_mask_clears_fields(client: Client) -> None:
    """Fields of the mask are replaced, also with nothing; others stay. Without a mask nothing is cleared."""
    (paper,) = make_papers(1, authors=["Ada"], categories=["cs.LG"], upvotes=5, published_at=at(MONDAY))
    paper.url = f"https://example.org/{paper.paper_id}"
    upsert_ready(client, [paper])
    before = get(client, paper.paper_id)
    bare = Paper(paper_id=paper.paper_id, title="Another title")

    def write(*paths: str) -> int:
        request = UpsertPapersRequest(papers=[bare], update_mask={"paths": paths})
        return client.catalog.UpsertPapers(request).results[0].outcome

    cleared = ("authors", "categories", "url", "published_at", "upvotes")
    assert write(*cleared) == WRITE_OUTCOME_UPDATED
    assert write(*cleared) == WRITE_OUTCOME_UNCHANGED
    for name in cleared:
        before.ClearField(name)
    assert get(client, paper.paper_id) == before
    assert write("abstract", "title") == WRITE_OUTCOME_UPDATED
    after = get(client, paper.paper_id)
    assert (after.title, after.abstract) == ("Another title", "")
    assert write() == WRITE_OUTCOME_UNCHANGED


def test_cleared_upvotes_are_no_trend(client: Client) -> None:
    """A paper whose upvotes were cleared is trending no longer, and new upvotes count again."""
    hot, cold = make_papers(2)
    hot.upvotes = 50
    digest = make_digest(client, upsert_ready(client, [cold, hot]))

    def first(user: str) -> str:
        feed = client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest)).slate
        return feed.items[0].paper.paper_id

    assert first(fresh("user")) == hot.paper_id
    hot.ClearField("upvotes")
    client.catalog.UpsertPapers(UpsertPapersRequest(papers=[hot], update_mask={"paths": ["upvotes"]}))
    assert first(fresh("user")) == cold.paper_id
    hot.upvotes = 60
    client.catalog.UpsertPapers(UpsertPapersRequest(papers=[hot]))
    assert first(fresh("user")) == hot.paper_id


def test_embedding_state_follows_the_text(start: Callable[..., Service]) -> None:
    """A paper is PENDING until embedded, then READY; only a change of its text makes it PENDING again."""
    service = start(embeds=False)
    client, store, encoder = service.client, service.application.store, service.application.encoder
    (paper,) = make_papers(1)
    upsert(client, [paper])
    assert get(client, paper.paper_id).embedding_state == EMBEDDING_STATE_PENDING

    assert embed_pending(store, encoder, SystemClock()) == 1
    assert get(client, paper.paper_id).embedding_state == EMBEDDING_STATE_READY
    upsert(client, [Paper(paper_id=paper.paper_id, title=paper.title, upvotes=1)])
    assert get(client, paper.paper_id).embedding_state == EMBEDDING_STATE_READY
    assert embed_pending(store, encoder, SystemClock()) == 0

    paper.abstract = "quite another text"
    upsert(client, [paper])
    assert get(client, paper.paper_id).embedding_state == EMBEDDING_STATE_PENDING
    assert embed_pending(store, encoder, SystemClock()) == 1
    assert get(client, paper.paper_id).embedding_state == EMBEDDING_STATE_READY


def test_server_embeds_by_itself(client: Client) -> None:
    """The server embeds new text without a further call."""
    (paper,) = make_papers(1)
    upsert(client, [paper])

    wait_until(lambda: get(client, paper.paper_id).embedding_state == EMBEDDING_STATE_READY)


def test_batch_keeps_the_order_asked_for(client: Client) -> None:
    """BatchGetPapers keeps the order of the request with repeats, and BASIC leaves out abstracts."""
    papers = make_papers(3)
    a, b, c = upsert(client, papers)

    basic = client.catalog.BatchGetPapers(BatchGetPapersRequest(paper_ids=[c, a, c, b]))
    full = client.catalog.BatchGetPapers(BatchGetPapersRequest(paper_ids=[b], view=PAPER_VIEW_FULL))

    assert ids(basic.papers) == [c, a, c, b]
    assert {paper.abstract for paper in basic.papers} == {""}
    assert [paper.abstract for paper in full.papers] == [papers[1].abstract]


def test_batch_names_the_first_unknown_paper(client: Client) -> None:
    """NOT_FOUND names the first unknown id and its field."""
    (known,) = upsert(client, make_papers(1))
    unknown = fresh("nowhere")

    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "paper_ids[1]") as failure:
        client.catalog.BatchGetPapers(BatchGetPapersRequest(paper_ids=[known, unknown, fresh("nowhere")]))

    assert failure.said.metadata["resource"] == "paper"
    assert failure.said.metadata["name"] == unknown


def test_papers_are_paged_in_order_of_id(start: Callable[..., Service]) -> None:
    """All pages together have every paper once, in order of paper_id; the last page has no token."""
    client = start().client
    expected = sorted(upsert(client, make_papers(7)) + upsert(client, [Paper(paper_id="Zz", title="Capital")]))

    pages, token = [], ""
    while True:
        page = client.catalog.ListPapers(ListPapersRequest(page_size=3, page_token=token))
        pages.append(ids(page.papers))
        token = page.next_page_token
        if not token:
            break

    assert pages == [expected[:3], expected[3:6], expected[6:]]
    assert ids(client.papers(ListPapersRequest(page_size=4))) == expected
    exact = client.catalog.ListPapers(ListPapersRequest(page_size=8))
    assert (len(exact.papers), exact.next_page_token) == (8, "")


@pytest.mark.parametrize(("asked", "given"), [(0, 20), (1, 1), (100, 100), (1_000_000, 100)])
def test_page_sizes(client: Client, asked: int, given: int) -> None:
    """A page size of 0 means 20, and more than 100 means 100."""
    upsert(client, make_papers(100))

    papers = client.catalog.ListPapers(ListPapersRequest(page_size=asked, view=PAPER_VIEW_BASIC)).papers

    assert len(papers) == given


def test_largest_papers_fit_into_one_message(client: Client) -> None:
    """BatchGetPapers returns as many papers as allowed, each as large as allowed."""
    largest = [
        Paper(
            paper_id=fresh(f"large-{i}"),
            title="😀" * 2_000,
            abstract="😀" * 40_000,
            authors=[f"{j:03d}" + "😀" * 24 for j in range(1_000)],
            categories=[f"{j:03d}" + "😀" * 197 for j in range(50)],
            url="😀" * 2_000,
        )
        for i in range(100)
    ]
    for paper in largest:
        paper.title = f"{paper.paper_id} " + "😀" * 1_900
    for start in range(0, 100, 20):
        upsert(client, largest[start : start + 20])

    request = BatchGetPapersRequest(paper_ids=ids(largest), view=PAPER_VIEW_FULL)
    assert ids(client.catalog.BatchGetPapers(request).papers) == ids(largest)
