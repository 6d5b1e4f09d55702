"""Helpers that request and read feeds."""

from typing import Any

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import (
    FeedItem,
    GetFeedRequest,
    Slate,
)
from paperfeed.v1.profile_pb2 import Preferences, UpdatePreferencesRequest


def get_feed(client: Client, user: str, digest: str = "", **fields: Any) -> Slate:
    request = GetFeedRequest(user_id=user, page_size=100, **fields)
    if digest:
        request.digest_id = digest
    return client.feeds.GetFeed(request).slate


def shown(feed: Slate) -> list[str]:
    return [item.paper.paper_id for item in feed.items]


def prefer(client: Client, user: str, **lists: list[str]) -> None:
    client.profiles.UpdatePreferences(UpdatePreferencesRequest(user_id=user, preferences=Preferences(**lists)))


def kinds(item: FeedItem) -> list[int]:
    return [reason.type for reason in item.reasons]
