"""CatalogService on each engine."""

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
    DeleteDigestRequest,
    DeletePaperRequest,
    Digest,
    GetDigestRequest,
    GetPaperRequest,
    ListDigestsRequest,
    ListPapersRequest,
    Paper,
    UpsertDigestRequest,
    UpsertPapersRequest,
)
from paperfeed.v1.feed_pb2 import FindSimilarPapersRequest, GetFeedRequest, GetSlateRequest, StreamFeedsRequest
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_LIKE,
    Event,
    ExportUserRequest,
    GetProfileRequest,
    ListLikesRequest,
    RecordEventsRequest,
)
from service.app.embedder import embed_pending
from service.bootstrap import SystemClock
from testing.calls import (
    MONDAY,
    at,
    failing,
    fresh,
    ids,
    make_digest,
    make_papers,
    on,
    rank_request,
    record,
    upsert,
    upsert_ready,
    wait_until,
)
from testing.servers import Service


@pytest.fixture
def service(each_engine: Service) -> Service:
    return each_engine


def get(client: Client, name: str) -> Paper:
    return client.catalog.GetPaper(GetPaperRequest(paper_id=name)).paper


def write(client: Client, *papers: Paper) -> list[tuple[str, int]]:
    results = client.catalog.UpsertPapers(UpsertPapersRequest(papers=papers)).results
    return [(result.paper_id, result.outcome) for result in results]


def arxiv_number() -> str:
    """Return an arXiv number that no other test uses."""
    return f"2401.{int(fresh('')[1:], 16) % 100_000:05d}"


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


def test_delete_takes_everything_along(client: Client) -> None:
    """A deleted paper is removed from catalog, digests, likes and neighbours. Again, it is NOT_FOUND or no matter."""
    gone, kept = upsert_ready(client, make_papers(2))
    user = fresh("user")
    digest = make_digest(client, [gone, kept])
    record(client, user, "like", gone, kept)

    client.catalog.DeletePaper(DeletePaperRequest(paper_id=gone))

    assert client.catalog.GetDigest(GetDigestRequest(digest_id=digest)).digest.paper_ids == [kept]
    assert ids(client.profiles.ListLikes(ListLikesRequest(user_id=user)).likes) == [kept]
    assert client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile.like_count == 1
    similar = client.feeds.FindSimilarPapers(FindSimilarPapersRequest(paper_id=kept, limit=100)).papers
    assert gone not in [near.paper.paper_id for near in similar]
    for _ in range(2):
        with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "paper_id"):
            client.catalog.DeletePaper(DeletePaperRequest(paper_id=gone))
    client.catalog.DeletePaper(DeletePaperRequest(paper_id=gone, allow_missing=True))


def test_deleted_paper_leaves_slates_readable(client: Client) -> None:
    """A slate with a deleted paper returns the other papers at their old ranks."""
    papers = upsert_ready(client, make_papers(3))
    feed = client.feeds.GetFeed(GetFeedRequest(user_id=fresh("user"), digest_id=make_digest(client, papers))).slate
    shown = [item.paper.paper_id for item in feed.items]
    client.catalog.DeletePaper(DeletePaperRequest(paper_id=shown[1]))

    slate = client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id)).slate

    assert [(item.rank, item.paper.paper_id) for item in slate.items] == [(1, shown[0]), (3, shown[2])]


def test_digest_created_unchanged_replaced(client: Client) -> None:
    """UpsertDigest returns the outcome, and a replaced digest has the new papers only."""
    a, b, c = upsert(client, make_papers(3))
    digest = Digest(digest_id=fresh("digest"), date=on("2026-03-09"), title="Trending", source="hf-trending")

    def save(*paper_ids: str) -> tuple[int, list[str], int]:
        digest.paper_ids[:] = paper_ids
        answer = client.catalog.UpsertDigest(UpsertDigestRequest(digest=digest))
        return answer.outcome, list(answer.digest.paper_ids), answer.digest.paper_count

    assert save(b, a, b) == (WRITE_OUTCOME_CREATED, [b, a], 2)
    created_at = client.catalog.GetDigest(GetDigestRequest(digest_id=digest.digest_id)).digest.created_at
    assert save(b, a) == (WRITE_OUTCOME_UNCHANGED, [b, a], 2)
    assert save(c, a) == (WRITE_OUTCOME_UPDATED, [c, a], 2)

    digest.paper_count = 2
    digest.created_at.CopyFrom(created_at)
    assert client.catalog.GetDigest(GetDigestRequest(digest_id=digest.digest_id)).digest == digest


def test_deleted_digest_leaves_slates_readable(client: Client) -> None:
    """Slates of a deleted digest stay as they are and name it. Nothing is ranked from it until it is stored again."""
    papers = upsert_ready(client, make_papers(3))
    digest, user = make_digest(client, papers), fresh("user")
    request = GetFeedRequest(user_id=user, digest_id=digest, page_size=2)
    first = client.feeds.GetFeed(request)
    slate = client.feeds.GetSlate(GetSlateRequest(slate_id=first.slate.slate_id)).slate

    client.catalog.DeleteDigest(DeleteDigestRequest(digest_id=digest))

    client.catalog.DeleteDigest(DeleteDigestRequest(digest_id=digest, allow_missing=True))
    for call in (
        lambda: client.catalog.DeleteDigest(DeleteDigestRequest(digest_id=digest)),
        lambda: client.catalog.GetDigest(GetDigestRequest(digest_id=digest)),
        lambda: client.feeds.GetFeed(request),
    ):
        with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "digest_id"):
            call()
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "digest_ids"):
        list(client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=[user], digest_ids=[digest])))
    request.page_token = first.next_page_token
    second = client.feeds.GetFeed(request).slate
    assert client.feeds.GetSlate(GetSlateRequest(slate_id=slate.slate_id)).slate == slate
    assert [*first.slate.items, *second.items] == list(slate.items)
    assert list(slate.digest_ids) == list(second.digest_ids) == [digest]
    exported = [each.slate for each in client.profiles.ExportUser(ExportUserRequest(user_id=user))]
    assert [list(each.digest_ids) for each in exported] == [[digest]]
    assert ids(client.catalog.BatchGetPapers(BatchGetPapersRequest(paper_ids=papers)).papers) == papers
    request.page_token = ""
    make_digest(client, papers[:1], digest_id=digest)
    assert [item.paper.paper_id for item in client.feeds.GetFeed(request).slate.items] == papers[:1]


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


def test_largest_papers_fit_into_one_message(client: Client) -> None:
    """BatchGetPapers returns as many papers as allowed, each as large as allowed."""
    largest = [
        Paper(
            paper_id=fresh(f"large-{i}"),
            title="😀" * 2_000,
            abstract="😀" * 40_000,
            authors=[f"{j:03d}" + "😀" * 24 for j in range(1_000)],
            categories=[f"{j:03d}" + "😀" * 97 for j in range(100)],
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


def test_digest_id_is_made_of_source_and_date(client: Client) -> None:
    """A digest without an id gets one from its source and date."""
    source = fresh("src")

    named = client.catalog.UpsertDigest(UpsertDigestRequest(digest=Digest(date=on("2026-02-01"), source=source)))
    plain = client.catalog.UpsertDigest(UpsertDigestRequest(digest=Digest(date=on("1990-01-01"))))

    assert named.digest.digest_id == f"{source}-2026-02-01"
    assert plain.digest.digest_id == "digest-1990-01-01"


def test_digests_are_listed_latest_first(start: Callable[..., Service]) -> None:
    """ListDigests returns digests by date, then id, over all pages, with the number of papers but not the papers."""
    client = start().client
    paper_ids = upsert(client, make_papers(2))
    for name, date in (("b", "2026-01-02"), ("a", "2026-01-02"), ("z", "2026-01-01"), ("m", "2026-01-03")):
        make_digest(client, paper_ids, date, name)

    listed = list(client.digests(ListDigestsRequest(page_size=1)))
    newest = client.catalog.GetDigest(GetDigestRequest()).digest

    assert [digest.digest_id for digest in listed] == ["m", "a", "b", "z"]
    assert [(list(digest.paper_ids), digest.paper_count) for digest in listed] == [([], 2)] * 4
    assert newest.digest_id == "m"
    assert list(newest.paper_ids) == paper_ids
