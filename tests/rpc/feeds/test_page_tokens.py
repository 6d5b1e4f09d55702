"""Page tokens are refused if they were changed or issued for another request."""

from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import (
    ListDigestsRequest,
    ListPapersRequest,
)
from paperfeed.v1.feed_pb2 import (
    GetFeedRequest,
)
from paperfeed.v1.profile_pb2 import (
    DeleteUserRequest,
    ListDeletedUsersRequest,
    ListLikesRequest,
)
from testing.calls import call, failing, fresh, make_digest, make_papers, upsert, upsert_ready

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


def test_tampered_page_token(client: Client) -> None:
    """A token that was cut, changed or made up, or is too long, is INVALID_PAGE_TOKEN."""
    upsert(client, make_papers(2))
    token = client.catalog.ListPapers(ListPapersRequest(page_size=1)).next_page_token
    middle = len(token) // 2
    other = "A" if token[middle] != "A" else "B"

    for bad in (token[:-1], token[:middle] + other + token[middle + 1 :], "made-up", token + "x", "x" * 5_000, "é\x00"):
        with failing(INVALID, "INVALID_PAGE_TOKEN", "page_token"):
            client.catalog.ListPapers(ListPapersRequest(page_size=1, page_token=bad))


def test_token_of_another_request_rpc_or_user(client: Client) -> None:
    """A token is refused with other fields, another user or another RPC."""
    papers = upsert_ready(client, make_papers(3))
    digest, other_digest = make_digest(client, papers), make_digest(client, papers)
    request = GetFeedRequest(user_id=fresh("user"), digest_id=digest, page_size=1)
    token = client.feeds.GetFeed(request).next_page_token
    changes: list[dict[str, Any]] = [
        {"user_id": fresh("user")},
        {"digest_id": other_digest},
        {"explain": True},
        {"diversity": 0.5},
        {"view": 2},
        {"exclude_paper_ids": papers[:1]},
        {"as_of": Timestamp(seconds=1)},
    ]

    for change in changes:
        fields = {"user_id": request.user_id, "digest_id": digest, "page_size": 1, "page_token": token, **change}
        with failing(INVALID, "INVALID_PAGE_TOKEN", "page_token"):
            client.feeds.GetFeed(GetFeedRequest(**fields))
    for request_of_another in (
        ListPapersRequest(page_token=token),
        ListDigestsRequest(page_token=token),
        ListDeletedUsersRequest(page_token=token),
        ListLikesRequest(user_id=request.user_id, page_token=token),
    ):
        with failing(INVALID, "INVALID_PAGE_TOKEN", "page_token"):
            call(client, request_of_another)


def test_token_of_a_deleted_user(client: Client) -> None:
    """After DeleteUser, later pages of the user's slates are NOT_FOUND, and the error names the token."""
    papers = upsert_ready(client, make_papers(3))
    request = GetFeedRequest(user_id=fresh("user"), digest_id=make_digest(client, papers), page_size=1)
    request.page_token = client.feeds.GetFeed(request).next_page_token
    client.profiles.DeleteUser(DeleteUserRequest(user_id=request.user_id))

    with failing(NOT_FOUND, "NOT_FOUND", "page_token") as failure:
        client.feeds.GetFeed(request)
    assert failure.said.metadata["resource"] == "slate"
