"""Preferences, and users who are not known, over gRPC on each engine."""

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.profile_pb2 import (
    ExportUserRequest,
    GetProfileRequest,
    ListLikesRequest,
    Preferences,
)
from testing.calls import failing, fresh
from tests.rpc.profiles.calls import prefer, profile


def test_preferences_are_replaced_as_the_mask_says(client: Client) -> None:
    """The lists in the mask are replaced and the others stay; an empty mask replaces all lists."""
    user = fresh("user")
    full = Preferences(
        followed_topics=["cs.LG", "graphs"],
        muted_topics=["cs.CR"],
        followed_authors=["Ada Lovelace"],
        muted_authors=["N. N."],
        muted_keywords=["block chain"],
    )
    assert prefer(client, user, full) == full
    assert profile(client, user).preferences == full

    changed = prefer(client, user, Preferences(followed_topics=["cs.CL"]), "followed_topics", "muted_authors")

    full.followed_topics[:] = ["cs.CL"]
    del full.muted_authors[:]
    assert changed == full
    assert profile(client, user).preferences == full
    assert prefer(client, user, Preferences(muted_keywords=["x"])) == Preferences(muted_keywords=["x"])


def test_preferences_make_a_user_known_and_are_safe_to_repeat(client: Client) -> None:
    """The first preference creates the user; words are trimmed, and repeated words are stored once."""
    user = fresh("user")

    for _ in range(2):
        stored = prefer(client, user, Preferences(followed_topics=[" cs.LG ", "cs.LG"]))

    assert stored == Preferences(followed_topics=["cs.LG"])
    found = profile(client, user)
    assert (found.like_count, found.preferences) == (0, stored)


@pytest.mark.parametrize("rpc", ["GetProfile", "ListLikes", "ExportUser"])
def test_unknown_user_is_not_found(client: Client, rpc: str) -> None:
    """RPCs about an unknown user end with NOT_FOUND, streams too."""
    user = fresh("user")
    request = {"GetProfile": GetProfileRequest, "ListLikes": ListLikesRequest, "ExportUser": ExportUserRequest}[rpc]

    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "user_id") as failure:
        answer = getattr(client.profiles, rpc)(request(user_id=user))
        if rpc == "ExportUser":
            list(answer)

    assert failure.said.metadata["resource"] == "user"
