"""Servicer of ProfileService."""

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import grpc

from paperfeed.v1 import profile_pb2 as pb
from paperfeed.v1 import profile_pb2_grpc
from service.api import convert
from service.api.callers.audit import entry_of
from service.api.explanations import from_signals, to_event_types
from service.api.page_tokens import PageTokens, page_size
from service.app.explanation.ledger import Ledger
from service.app.interests import EDITABLE, InterestChange, Interests
from service.app.profiles import Profiles
from service.domain.errors import InvalidField
from service.domain.events import Event, UserState
from service.domain.feeds import PrecomputedSlate, Slate
from service.domain.interests import MAX_INTERESTS, MAX_PAPERS, Interest, StoredInterests
from service.domain.libraries import SyncedItem, SyncedLibrary
from service.domain.papers import check_id

MAX_EVENTS = 1_000
SHOWN_LIKES = 3
"""Number of likes that GetProfile lists with an interest."""


class ProfileServicer(profile_pb2_grpc.ProfileServiceServicer):
    """Serves users, their events, preferences and interests."""

    def __init__(self, profiles: Profiles, interests: Interests, ledger: Ledger, tokens: PageTokens) -> None:
        self._profiles = profiles
        self._interests = interests
        self._ledger = ledger
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

    def ListInterests(
        self, request: pb.ListInterestsRequest, context: grpc.ServicerContext
    ) -> pb.ListInterestsResponse:
        return pb.ListInterestsResponse(interests=map(convert.from_interest, self._interests.of_user(request.user_id)))

    def CreateInterest(
        self, request: pb.CreateInterestRequest, context: grpc.ServicerContext
    ) -> pb.CreateInterestResponse:
        user_id, wanted = _user_id(request), request.interest
        if (origin := convert.ORIGINS.get(wanted.origin)) is None:
            raise InvalidField("interest.origin", f"{wanted.origin} is not a known origin")
        papers = _paper_names(wanted)
        made = self._interests.create(user_id, wanted.interest_id, wanted.name, origin, papers)
        return pb.CreateInterestResponse(interest=convert.from_interest(made))

    def UpdateInterest(
        self, request: pb.UpdateInterestRequest, context: grpc.ServicerContext
    ) -> pb.UpdateInterestResponse:
        user_id, wanted, fields = _user_id(request), request.interest, set(request.update_mask.paths)
        if not fields or fields - set(EDITABLE):
            raise InvalidField("update_mask", f"must name some of {', '.join(EDITABLE)}, and nothing else")
        change = InterestChange(
            name=wanted.name if "name" in fields else None,
            weight=wanted.weight if "weight" in fields else None,
            paused=wanted.paused if "paused" in fields else None,
            paper_ids=_paper_names(wanted) if "paper_ids" in fields else None,
        )
        changed = self._interests.update(user_id, _interest_id(wanted.interest_id, "interest."), change)
        return pb.UpdateInterestResponse(interest=convert.from_interest(changed))

    def DeleteInterest(
        self, request: pb.DeleteInterestRequest, context: grpc.ServicerContext
    ) -> pb.DeleteInterestResponse:
        self._interests.delete(_user_id(request), _interest_id(request.interest_id))
        return pb.DeleteInterestResponse()

    def MergeInterests(
        self, request: pb.MergeInterestsRequest, context: grpc.ServicerContext
    ) -> pb.MergeInterestsResponse:
        user_id, field = _user_id(request), "merged_interest_ids"
        parts = convert.check_names(request.merged_interest_ids, field, at_least=1, at_most=MAX_INTERESTS)
        whole = self._interests.merge(user_id, _interest_id(request.interest_id), parts)
        return pb.MergeInterestsResponse(interest=convert.from_interest(whole))

    def SplitInterest(
        self, request: pb.SplitInterestRequest, context: grpc.ServicerContext
    ) -> pb.SplitInterestResponse:
        user_id = _user_id(request)
        papers = convert.check_names(request.paper_ids, "paper_ids", at_most=MAX_PAPERS)
        interest_id = _interest_id(request.interest_id)
        rest, part = self._interests.split(user_id, interest_id, papers, request.new_interest_id, request.new_name)
        return pb.SplitInterestResponse(interest=convert.from_interest(rest), new_interest=convert.from_interest(part))

    def ExportUser(
        self, request: pb.ExportUserRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ExportUserResponse]:
        for record in self._profiles.export(request.user_id):
            if isinstance(record, UserState):
                interests = self._profiles.interests(record.user_id)
                yield pb.ExportUserResponse(profile=_from_state(record, interests))
                if record.interests is not None:
                    yield pb.ExportUserResponse(interests=_exported(record.interests, interests))
            elif isinstance(record, Event):
                yield pb.ExportUserResponse(event=convert.from_event(record))
            elif isinstance(record, SyncedLibrary):
                yield pb.ExportUserResponse(library=_from_library(record))
            elif isinstance(record, SyncedItem):
                yield pb.ExportUserResponse(library_item=_from_item(record))
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

    def ListSignals(self, request: pb.ListSignalsRequest, context: grpc.ServicerContext) -> pb.ListSignalsResponse:
        limit, position = page_size(request.page_size), self._tokens.read(request)
        kinds = to_event_types(request.event_types)
        page = self._ledger.page(request.user_id, kinds, before=int(position[0]) if position else None, limit=limit)
        token = "" if page.next_before is None else self._tokens.make(request, [page.next_before])
        return from_signals(page, token)

    def DeleteEvents(self, request: pb.DeleteEventsRequest, context: grpc.ServicerContext) -> pb.DeleteEventsResponse:
        user_id = check_id(request.user_id, "user_id")
        convert.check_count(request.event_ids, "event_ids", at_least=1, at_most=MAX_EVENTS)
        event_ids = [check_id(each, f"event_ids[{i}]") for i, each in enumerate(request.event_ids)]
        return pb.DeleteEventsResponse(deleted_count=self._ledger.delete(user_id, event_ids, entry_of(context)))

    def ResetSignals(self, request: pb.ResetSignalsRequest, context: grpc.ServicerContext) -> pb.ResetSignalsResponse:
        return pb.ResetSignalsResponse(deleted_count=self._ledger.reset(request.user_id, entry_of(context)))


def _from_state(state: UserState, interests: Sequence[Interest]) -> pb.Profile:
    return pb.Profile(
        user_id=state.user_id,
        like_count=len(state.likes),
        dislike_count=len(state.dislikes),
        preferences=convert.from_preferences(state.preferences),
        created_at=convert.to_timestamp(state.created_at),
        updated_at=convert.to_timestamp(state.updated_at),
        interests=[convert.from_interest(each, papers=SHOWN_LIKES) for each in interests],
    )


def _exported(stored: StoredInterests, interests: Sequence[Interest]) -> pb.ExportedInterests:
    return pb.ExportedInterests(
        interests=map(convert.from_interest, interests), unsorted_paper_ids=sorted(stored.unsorted_paper_ids)
    )


def _user_id(request: Any) -> str:
    """Return the user of a request, which is checked before its other fields."""
    return check_id(request.user_id, "user_id")


def _interest_id(interest_id: str, path: str = "") -> str:
    return convert.check_name(interest_id, f"{path}interest_id")


def _paper_names(interest: pb.Interest) -> tuple[str, ...]:
    return convert.check_names(interest.paper_ids, "interest.paper_ids", at_most=MAX_PAPERS)


def _from_library(found: SyncedLibrary) -> pb.ExportedLibrary:
    library = found.library
    return pb.ExportedLibrary(
        source=library.source,
        version=library.version,
        fingerprint=library.fingerprint,
        chosen_collection_keys=library.chosen,
        collections_as_interests=library.as_interests,
        synced_at=convert.to_timestamp(library.synced_at),
        collections=[
            pb.ExportedCollection(collection_key=each.collection_key, name=each.name, parent_key=each.parent_key)
            for each in found.collections
        ],
    )


def _from_item(found: SyncedItem) -> pb.ExportedLibraryItem:
    item = found.item
    return pb.ExportedLibraryItem(
        source=found.source,
        item_key=item.item_key,
        paper_id=item.paper_id,
        added_at=convert.to_timestamp(item.added_at) if item.added_at else None,
        collection_keys=item.collections,
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
