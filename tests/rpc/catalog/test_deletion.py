"""Papers and digests are deleted; slates that show them stay. On each engine."""

import grpc

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import (
    BatchGetPapersRequest,
    DeleteDigestRequest,
    DeletePaperRequest,
    GetDigestRequest,
)
from paperfeed.v1.feed_pb2 import FindSimilarPapersRequest, GetFeedRequest, GetSlateRequest, StreamFeedsRequest
from paperfeed.v1.profile_pb2 import (
    ExportUserRequest,
    GetProfileRequest,
    ListLikesRequest,
)
from testing.calls import (
    failing,
    fresh,
    ids,
    make_digest,
    make_papers,
    record,
    upsert_ready,
)


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
