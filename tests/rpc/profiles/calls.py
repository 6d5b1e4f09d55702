"""Calls of ProfileService."""

from google.protobuf.field_mask_pb2 import FieldMask

from paperfeed.client import Client
from paperfeed.v1.profile_pb2 import (
    ExportUserRequest,
    ExportUserResponse,
    GetProfileRequest,
    ListLikesRequest,
    Preferences,
    Profile,
    UpdatePreferencesRequest,
)
from testing.calls import ids


def profile(client: Client, user: str) -> Profile:
    return client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile


def likes(client: Client, user: str) -> list[str]:
    return ids(client.profiles.ListLikes(ListLikesRequest(user_id=user, page_size=100)).likes)


def prefer(client: Client, user: str, preferences: Preferences, *mask: str) -> Preferences:
    request = UpdatePreferencesRequest(user_id=user, preferences=preferences, update_mask=FieldMask(paths=mask))
    return client.profiles.UpdatePreferences(request).preferences


def export(client: Client, user: str) -> list[ExportUserResponse]:
    return list(client.profiles.ExportUser(ExportUserRequest(user_id=user)))
