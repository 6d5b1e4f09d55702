"""Calls that edit interests, and users with two of them."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from paperfeed.client import Client
from paperfeed.v1.profile_pb2 import (
    INTEREST_ORIGIN_LIST,
    CreateInterestRequest,
    Interest,
    ListInterestsRequest,
    MergeInterestsRequest,
    SplitInterestRequest,
    SplitInterestResponse,
    UpdateInterestRequest,
)
from testing.calls import MONDAY, fresh, make_papers, record, upsert_ready


def interests(client: Client, user: str) -> list[Interest]:
    """Return the interests of a user."""
    return list(client.profiles.ListInterests(ListInterestsRequest(user_id=user)).interests)


def change(client: Client, user: str, interest_id: str, **values: Any) -> Interest:
    """Change these fields of an interest and return it."""
    request = UpdateInterestRequest(
        user_id=user, interest=Interest(interest_id=interest_id, **values), update_mask=FieldMask(paths=list(values))
    )
    return client.profiles.UpdateInterest(request).interest


def create(client: Client, user: str, name: str, papers: Sequence[str], **fields: Any) -> Interest:
    """Create a list of papers as an interest."""
    interest = Interest(name=name, paper_ids=papers, **{"origin": INTEREST_ORIGIN_LIST, **fields})
    return client.profiles.CreateInterest(CreateInterestRequest(user_id=user, interest=interest)).interest


def merge(client: Client, user: str, into: str, *merged: str) -> Interest:
    """Merge interests into another one."""
    request = MergeInterestsRequest(user_id=user, interest_id=into, merged_interest_ids=merged)
    return client.profiles.MergeInterests(request).interest


def split(client: Client, user: str, interest_id: str, **fields: Any) -> SplitInterestResponse:
    """Split an interest."""
    return client.profiles.SplitInterest(SplitInterestRequest(user_id=user, interest_id=interest_id, **fields))


def two_interests(client: Client, *, many: int = 8, few: int = 2) -> tuple[str, list[str], list[str]]:
    """Return the id of a user with ``many`` likes of one topic and ``few`` of another, and the likes of each."""
    user = fresh("user")
    strong, weak = upsert_ready(client, make_papers(many, "audio")), upsert_ready(client, make_papers(few))
    record(client, user, "like", *strong, *weak, when=MONDAY)
    return user, strong, weak
