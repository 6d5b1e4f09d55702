"""Servicer of ProfileService."""

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence

import grpc

from paperfeed.v1 import profile_pb2 as pb
from paperfeed.v1 import profile_pb2_grpc
from service.api import convert
from service.api.callers.audit import entry_of
from service.api.page_tokens import PageTokens, page_size
from service.app.profiles import Profiles
from service.domain.events import Event, Interest, UserState
from service.domain.feeds import PrecomputedSlate, Slate

MAX_EVENTS = 1_000


class ProfileServicer(profile_pb2_grpc.ProfileServiceServicer):
    """Serves users, their events and preferences."""

    def __init__(self, profiles: Profiles, tokens: PageTokens) -> None:
        self._profiles = profiles
        self._tokens = tokens

    def RecordEvents(self, request: pb.RecordEventsRequest, context: grpc.ServicerContext) -> pb.RecordEventsResponse:
        return self.record_together([request])[0]

    def record_together(self, requests: Sequence[pb.RecordEventsRequest]) -> list[pb.RecordEventsResponse]:
        """Answer several RecordEvents requests; their events are stored in one transaction."""
        events: list[Event] = []
        for request in requests:
            convert.check_count(request.events, "events", at_least=1, at_most=MAX_EVENTS)
            events.extend(convert.to_event(event, f"events[{i}]") for i, event in enumerate(request.events))
        event_ids, new = self._profiles.record(events)
        ends = list(itertools.accumulate(len(request.events) for request in requests))
        return [
            pb.RecordEventsResponse(
                recorded_count=sum(new[start:end]),
                duplicate_count=end - start - sum(new[start:end]),
                event_ids=event_ids[start:end],
            )
            for start, end in itertools.pairwise([0, *ends])
        ]

    def ListLikes(self, request: pb.ListLikesRequest, context: grpc.ServicerContext) -> pb.ListLikesResponse:
        limit, position = page_size(request.page_size), self._tokens.read(request)
        offset = int(position[0]) if position else 0
        likes, more = self._profiles.likes(request.user_id, offset=offset, limit=limit, saved_only=request.saved_only)
        return pb.ListLikesResponse(
            likes=[
                pb.Like(
                    paper_id=like.paper_id,
                    title=title,
                    liked_at=convert.to_timestamp(like.liked_at),
                    saved=like.is_saved,
                )
                for like, title in likes
            ],
            next_page_token=self._tokens.make(request, [offset + limit]) if more else "",
        )

    def GetProfile(self, request: pb.GetProfileRequest, context: grpc.ServicerContext) -> pb.GetProfileResponse:
        state = self._profiles.state(request.user_id)
        return pb.GetProfileResponse(profile=_from_state(state, self._profiles.interests(request.user_id)))

    def UpdatePreferences(
        self, request: pb.UpdatePreferencesRequest, context: grpc.ServicerContext
    ) -> pb.UpdatePreferencesResponse:
        stored = self._profiles.update_preferences(
            request.user_id, convert.to_preferences(request.preferences), list(request.update_mask.paths)
        )
        return pb.UpdatePreferencesResponse(preferences=convert.from_preferences(stored))

    def ExportUser(
        self, request: pb.ExportUserRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ExportUserResponse]:
        for record in self._profiles.export(request.user_id):
            if isinstance(record, UserState):
                yield pb.ExportUserResponse(profile=_from_state(record, self._profiles.interests(record.user_id)))
            elif isinstance(record, Event):
                yield pb.ExportUserResponse(event=convert.from_event(record))
            elif isinstance(record, Slate):
                yield pb.ExportUserResponse(slate=_from_slate(record))
            else:
                yield pb.ExportUserResponse(precomputed_slate=_from_precomputed(record))

    def DeleteUser(self, request: pb.DeleteUserRequest, context: grpc.ServicerContext) -> pb.DeleteUserResponse:
        self._profiles.delete(request.user_id, entry_of(context))
        return pb.DeleteUserResponse()

    def ListDeletedUsers(
        self, request: pb.ListDeletedUsersRequest, context: grpc.ServicerContext
    ) -> pb.ListDeletedUsersResponse:
        limit, position = page_size(request.page_size), self._tokens.read(request)
        after = (dt.datetime.fromisoformat(position[0]), position[1]) if position else None
        found = self._profiles.deleted(since=convert.optional_time(request, "since"), after=after, limit=limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        return pb.ListDeletedUsersResponse(
            deleted_users=[
                pb.DeletedUser(user_id_hash=user.user_id_hash, deleted_at=convert.to_timestamp(user.deleted_at))
                for user in found[:limit]
            ],
            next_page_token=self._tokens.make(request, [last.deleted_at.isoformat(), last.user_id_hash])
            if last
            else "",
        )


def _from_state(state: UserState, interests: Sequence[Interest]) -> pb.Profile:
    return pb.Profile(
        user_id=state.user_id,
        like_count=len(state.likes),
        dislike_count=len(state.dislikes),
        preferences=convert.from_preferences(state.preferences),
        created_at=convert.to_timestamp(state.created_at),
        updated_at=convert.to_timestamp(state.updated_at),
        interests=[
            pb.Interest(name=each.name, like_count=each.like_count, weight=each.weight, paper_ids=each.paper_ids)
            for each in interests
        ],
    )


def _from_slate(slate: Slate) -> pb.ExportedSlate:
    return pb.ExportedSlate(
        slate_id=slate.slate_id,
        digest_ids=slate.digest_ids,
        model_version=slate.model_version,
        statistics_version=slate.statistics_version,
        as_of=convert.to_timestamp(slate.as_of),
        created_at=convert.to_timestamp(slate.created_at),
        paper_ids=[item.paper_id for item in slate.items],
    )


def _from_precomputed(slate: PrecomputedSlate) -> pb.ExportedSlate:
    return pb.ExportedSlate(
        digest_ids=[slate.digest_id],
        model_version=slate.model_version,
        statistics_version=slate.statistics_version,
        as_of=convert.to_timestamp(slate.as_of),
        paper_ids=[item.paper_id for item in slate.items],
    )
