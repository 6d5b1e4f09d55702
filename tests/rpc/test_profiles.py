"""ProfileService on each engine."""

import datetime as dt
import hashlib
from collections.abc import Callable

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import GetFeedRequest, GetSlateRequest
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_CLICK,
    EVENT_TYPE_LIKE,
    EVENT_TYPE_UNLIKE,
    DeleteUserRequest,
    Event,
    ExportUserRequest,
    ExportUserResponse,
    GetProfileRequest,
    ListDeletedUsersRequest,
    ListLikesRequest,
    Preferences,
    Profile,
    RecordEventsRequest,
    UpdatePreferencesRequest,
)
from service.app.synced.libraries import FoundItem, LibraryChanges, sync_library
from service.bootstrap import SystemClock
from service.domain.events import EventType, default_event_id
from service.domain.libraries import LibraryCollection
from service.domain.papers import Paper
from service.storage import open_store
from testing.calls import MONDAY, at, failing, fresh, ids, make_digest, make_papers, record, upsert, upsert_ready
from testing.servers import Service

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def service(each_engine: Service) -> Service:
    return each_engine


def profile(client: Client, user: str) -> Profile:
    return client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile


def likes(client: Client, user: str) -> list[str]:
    return ids(client.profiles.ListLikes(ListLikesRequest(user_id=user, page_size=100)).likes)


def prefer(client: Client, user: str, preferences: Preferences, *mask: str) -> Preferences:
    request = UpdatePreferencesRequest(user_id=user, preferences=preferences, update_mask=FieldMask(paths=mask))
    return client.profiles.UpdatePreferences(request).preferences


def export(client: Client, user: str) -> list[ExportUserResponse]:
    return list(client.profiles.ExportUser(ExportUserRequest(user_id=user)))


def test_an_event_counts_once(client: Client) -> None:
    """An event that is recorded again, in the same call or another, is a duplicate and changes nothing."""
    (paper,) = upsert_ready(client, make_papers(1))
    user = fresh("user")
    event = Event(user_id=user, paper_id=paper, event_type=EVENT_TYPE_LIKE, occurred_at=at(MONDAY))
    named = Event(event_id=fresh("e"), user_id=user, paper_id=paper, event_type=EVENT_TYPE_CLICK)

    first = client.profiles.RecordEvents(RecordEventsRequest(events=[event, named, event]))
    before = profile(client, user)
    again = client.profiles.RecordEvents(RecordEventsRequest(events=[named, event]))

    assert (first.recorded_count, first.duplicate_count) == (2, 1)
    assert first.event_ids == [first.event_ids[0], named.event_id, first.event_ids[0]]
    assert (again.recorded_count, again.duplicate_count) == (0, 2)
    assert again.event_ids == [named.event_id, first.event_ids[0]]
    assert profile(client, user) == before
    assert len(export(client, user)) == 3


def test_event_ids_belong_to_users(client: Client) -> None:
    """Two users may use one event id, whether they name it or another user guesses the id that would be derived."""
    first, second = upsert_ready(client, make_papers(2))
    ann, bob, name = fresh("ann"), fresh("bob"), fresh("e")
    derived = default_event_id(ann, first, EventType.LIKE, None)
    taken = [Event(event_id=each, user_id=bob, paper_id=second, event_type=EVENT_TYPE_LIKE) for each in (name, derived)]
    own = [Event(event_id=each, user_id=ann, paper_id=first, event_type=EVENT_TYPE_LIKE) for each in (name, "")]

    recorded = [client.profiles.RecordEvents(RecordEventsRequest(events=events)) for events in (taken, own)]

    assert [(answer.recorded_count, answer.duplicate_count) for answer in recorded] == [(2, 0), (2, 0)]
    assert recorded[1].event_ids == [name, derived]
    assert likes(client, ann) == [first]


def test_another_event_with_a_known_id_is_refused(client: Client) -> None:
    """An event with the id of another event of the user is refused by its field, and nothing of the call is stored."""
    first, second = upsert_ready(client, make_papers(2))
    user, name = fresh("user"), fresh("e")
    like = Event(event_id=name, user_id=user, paper_id=first, event_type=EVENT_TYPE_LIKE)
    other = Event(event_id=name, user_id=user, paper_id=second, event_type=EVENT_TYPE_LIKE)
    client.profiles.RecordEvents(RecordEventsRequest(events=[like]))

    for events, place in (([Event(user_id=user, paper_id=second, event_type=EVENT_TYPE_LIKE), other], 1), ([other], 0)):
        with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", f"events[{place}].event_id"):
            client.profiles.RecordEvents(RecordEventsRequest(events=events))
    assert likes(client, user) == [first]


def test_events_that_differ_in_time_are_two(client: Client) -> None:
    """Events that differ in user, paper, type or time get different default event ids."""
    a, b = upsert(client, make_papers(2))
    user = fresh("user")
    base = Event(user_id=user, paper_id=a, event_type=EVENT_TYPE_CLICK, occurred_at=at(MONDAY))
    variants = [base]
    for name, value in (("user_id", fresh("user")), ("paper_id", b), ("event_type", EVENT_TYPE_LIKE)):
        variants.append(Event())
        variants[-1].CopyFrom(base)
        setattr(variants[-1], name, value)
    variants.append(Event(user_id=user, paper_id=a, event_type=EVENT_TYPE_CLICK))

    answer = client.profiles.RecordEvents(RecordEventsRequest(events=variants))

    assert answer.recorded_count == len(set(answer.event_ids)) == len(variants)


def test_the_latest_event_decides_whatever_order_they_arrive_in(client: Client) -> None:
    """An older unlike that arrives later does not undo a newer like."""
    late, early = upsert(client, make_papers(2))
    user = fresh("user")
    record(client, user, "like", late, when=MONDAY)
    record(client, user, "unlike", late, when=MONDAY - HOUR)
    record(client, user, "like", early, when=MONDAY)
    record(client, user, "unlike", early, when=MONDAY + HOUR)

    assert likes(client, user) == [late]


def test_an_unknown_time_comes_before_every_known_one(client: Client) -> None:
    """An unlike without a time undoes an earlier like without a time, but no like with a time."""
    timed, untimed = upsert(client, make_papers(2))
    user = fresh("user")
    record(client, user, "like", timed, when=dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    record(client, user, "like", untimed)
    record(client, user, "unlike", timed, untimed)

    assert likes(client, user) == [timed]


def test_equal_times_go_by_arrival(client: Client) -> None:
    """Of two events with the same time, the later in order of arrival counts, also within one call."""
    paper, other = upsert(client, make_papers(2))
    user = fresh("user")
    kinds = {paper: (EVENT_TYPE_LIKE, EVENT_TYPE_UNLIKE), other: (EVENT_TYPE_UNLIKE, EVENT_TYPE_LIKE)}
    events = [
        Event(user_id=user, paper_id=name, event_type=kind, occurred_at=at(MONDAY))
        for name, both in kinds.items()
        for kind in both
    ]
    client.profiles.RecordEvents(RecordEventsRequest(events=events))

    assert likes(client, user) == [other]


@pytest.mark.parametrize(
    ("kinds", "like_count", "dislike_count"),
    [
        (["like"], 1, 0),
        (["save"], 1, 0),
        (["like", "save"], 1, 0),
        (["like", "unlike"], 0, 0),
        (["save", "unlike"], 0, 0),
        (["dislike"], 0, 1),
        (["dismiss"], 0, 1),
        (["like", "dislike"], 0, 1),
        (["dislike", "like"], 1, 0),
        (["dismiss", "like"], 1, 0),
        (["click"], 0, 0),
        (["impression"], 0, 0),
        (["sent"], 0, 0),
        (["complaint"], 0, 0),
    ],
)
def test_profile_counts(client: Client, kinds: list[str], like_count: int, dislike_count: int) -> None:
    """The profile counts current likes and dislikes, and any event creates the user."""
    (paper,) = upsert(client, make_papers(1))
    user = fresh("user")
    for i, kind in enumerate(kinds):
        record(client, user, kind, paper, when=MONDAY + i * HOUR)

    found = profile(client, user)

    assert (found.user_id, found.like_count, found.dislike_count) == (user, like_count, dislike_count)
    assert found.created_at.ToNanoseconds() <= found.updated_at.ToNanoseconds()


def test_likes_come_newest_first_and_untimed_last(client: Client) -> None:
    """ListLikes returns likes with titles, newest first and those without a time last, over all pages."""
    papers = make_papers(5)
    a, b, c, d, e = upsert(client, papers)
    user = fresh("user")
    record(client, user, "like", a, b)
    record(client, user, "like", c, when=MONDAY)
    record(client, user, "save", d, when=MONDAY + 2 * HOUR)
    record(client, user, "like", e, when=MONDAY + HOUR)
    titles = {paper.paper_id: paper.title for paper in papers}

    first = client.profiles.ListLikes(ListLikesRequest(user_id=user, page_size=2))
    everything = list(client.likes(ListLikesRequest(user_id=user, page_size=2)))

    assert ids(first.likes) == [d, e]
    assert ids(everything) == [d, e, c, b, a]
    assert [like.title for like in everything] == [titles[name] for name in ids(everything)]
    assert everything[0].liked_at == at(MONDAY + 2 * HOUR)
    assert [like.HasField("liked_at") for like in everything] == [True, True, True, False, False]


def test_saved_papers(client: Client) -> None:
    """ListLikes says which likes are saves, and returns those alone if asked. A save that is taken back is none."""
    user = fresh("user")
    liked, saved, both = upsert(client, make_papers(3))
    for minute, (paper, kind) in enumerate(
        [(liked, "like"), (saved, "save"), (both, "save"), (both, "unlike"), (both, "like")]
    ):
        record(client, user, kind, paper, when=MONDAY + minute * HOUR / 60)

    everything = client.profiles.ListLikes(ListLikesRequest(user_id=user)).likes
    only_saved = client.profiles.ListLikes(ListLikesRequest(user_id=user, saved_only=True)).likes

    assert {like.paper_id: like.saved for like in everything} == {liked: False, saved: True, both: False}
    assert ids(only_saved) == [saved]


def test_a_repeated_like_moves_to_its_last_time(client: Client) -> None:
    """The time of a like is that of its latest event."""
    a, b = upsert(client, make_papers(2))
    user = fresh("user")
    record(client, user, "like", a, when=MONDAY)
    record(client, user, "like", b, when=MONDAY + HOUR)
    record(client, user, "like", a, when=MONDAY + 2 * HOUR)

    assert likes(client, user) == [a, b]


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


def test_export_holds_everything(client: Client) -> None:
    """ExportUser sends the profile, then all events in order of arrival, then all slates with their papers."""
    a, b, c = upsert(client, make_papers(3))
    user = fresh("user")
    digest = make_digest(client, [a, b, c])
    events = [
        Event(event_id=fresh("e"), user_id=user, paper_id=a, event_type=EVENT_TYPE_LIKE, occurred_at=at(MONDAY)),
        Event(event_id=fresh("e"), user_id=user, paper_id=b, event_type=EVENT_TYPE_CLICK, slate_id="some-slate"),
        Event(
            event_id=fresh("e"), user_id=user, paper_id=a, event_type=EVENT_TYPE_CLICK, occurred_at=at(MONDAY - HOUR)
        ),
    ]
    for event in events:
        client.profiles.RecordEvents(RecordEventsRequest(events=[event]))
    feeds = [client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest)).slate for _ in range(2)]
    other = fresh("user")
    record(client, other, "like", c)

    records = export(client, user)

    assert [each.WhichOneof("record") for each in records] == ["profile", *["event"] * 3, *["slate"] * 2]
    assert records[0].profile == profile(client, user)
    assert [each.event for each in records[1:4]] == events
    slates = [each.slate for each in records[4:]]
    assert [slate.slate_id for slate in slates] == [feed.slate_id for feed in feeds]
    assert [list(slate.digest_ids) for slate in slates] == [[digest]] * 2
    assert [slate.as_of for slate in slates] == [feed.as_of for feed in feeds]
    assert [slate.model_version for slate in slates] == [feed.model_version for feed in feeds]
    assert [list(slate.paper_ids) for slate in slates] == [
        [item.paper.paper_id for item in feed.items] for feed in feeds
    ]


def test_synced_libraries_are_exported_and_deleted(client: Client, service: Service) -> None:
    """ExportUser sends each library and its items as the last sync left them; DeleteUser removes them."""
    user = fresh("user")
    papers = make_papers(2)
    changes = LibraryChanges(
        papers=tuple(Paper(each.paper_id, each.title) for each in papers),
        items=(FoundItem("B", 0, MONDAY, ("C1",)), FoundItem("A", 1, None)),
        version=7,
        collections=(LibraryCollection("C1", "Moss", "C0"),),
        as_interests=True,
    )
    store = open_store(service.url)
    try:
        sync_library(store, SystemClock(), user, "zotero:users/1", None, changes)
    finally:
        store.dispose()

    records = export(client, user)

    kinds = [each.WhichOneof("record") for each in records]
    assert kinds == ["profile", "interests", "event", "event", "library", "library_item", "library_item"]
    library, first, second = records[4].library, records[5].library_item, records[6].library_item
    assert (library.source, library.version, library.collections_as_interests) == ("zotero:users/1", 7, True)
    (collection,) = library.collections
    assert (collection.collection_key, collection.name, collection.parent_key) == ("C1", "Moss", "C0")
    assert (first.item_key, first.paper_id, first.HasField("added_at")) == ("A", papers[1].paper_id, False)
    assert (second.item_key, second.added_at, second.collection_keys) == ("B", at(MONDAY), ["C1"])
    assert {first.source, second.source} == {"zotero:users/1"}
    client.profiles.DeleteUser(DeleteUserRequest(user_id=user))
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "user_id"):
        export(client, user)
    store = open_store(service.url)
    try:
        with store.read() as tx:
            assert tx.libraries.of_user(user) == []
            assert tx.libraries.items(user, "zotero:users/1") == {}
            assert tx.libraries.collections(user, "zotero:users/1") == []
    finally:
        store.dispose()


def test_export_of_a_stranger_who_was_served(client: Client) -> None:
    """A user without events and preferences, but with a slate, has an export; after DeleteUser there is none."""
    user = fresh("stranger")
    feed = client.feeds.GetFeed(
        GetFeedRequest(user_id=user, digest_id=make_digest(client, upsert(client, make_papers(2))))
    )

    (record,) = export(client, user)

    assert record.slate.slate_id == feed.slate.slate_id
    client.profiles.DeleteUser(DeleteUserRequest(user_id=user))
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "user_id"):
        export(client, user)


def test_delete_removes_everything_and_leaves_a_hash(client: Client) -> None:
    """After DeleteUser only the hash of the user id remains, and a second DeleteUser succeeds."""
    papers = upsert(client, make_papers(3))
    user = fresh("user")
    digest = make_digest(client, papers)
    record(client, user, "like", papers[0])
    feed = client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest)).slate

    client.profiles.DeleteUser(DeleteUserRequest(user_id=user))
    client.profiles.DeleteUser(DeleteUserRequest(user_id=user))

    for call in (lambda: profile(client, user), lambda: likes(client, user), lambda: export(client, user)):
        with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "user_id"):
            call()
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "slate_id"):
        client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id))
    hashes = [gone.user_id_hash for gone in client.deleted_users(ListDeletedUsersRequest(page_size=100))]
    assert hashes.count(hashlib.sha256(user.encode()).hexdigest()) == 1
    again = client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest)).slate
    assert again.model_version == "trending"
    assert again.total_size == 3


def test_a_deleted_user_may_come_back_as_a_stranger(client: Client) -> None:
    """After DeleteUser, new events of the same id start a new user without the old likes."""
    a, b, c = upsert(client, make_papers(3))
    user = fresh("user")
    digest = make_digest(client, [a, b, c])
    record(client, user, "like", a)
    client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest))
    client.profiles.DeleteUser(DeleteUserRequest(user_id=user))

    record(client, user, "like", b)

    feed = client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest)).slate
    assert likes(client, user) == [b]
    assert {item.paper.paper_id for item in feed.items} == {a, c}


def test_deleting_an_unknown_user_leaves_no_trace(client: Client) -> None:
    """DeleteUser of an unknown user succeeds and leaves no tombstone."""
    user = fresh("user")

    client.profiles.DeleteUser(DeleteUserRequest(user_id=user))

    hashes = [gone.user_id_hash for gone in client.deleted_users(ListDeletedUsersRequest(page_size=100))]
    assert hashlib.sha256(user.encode()).hexdigest() not in hashes


def test_deleted_users_are_listed_since(start: Callable[..., Service]) -> None:
    """Tombstones come in order of deletion over all pages, from the given time on, inclusive."""
    client = start().client
    users = [fresh("user") for _ in range(3)]
    for user in users:
        prefer(client, user, Preferences())
        client.profiles.DeleteUser(DeleteUserRequest(user_id=user))
    hashes = [hashlib.sha256(user.encode()).hexdigest() for user in users]

    everyone = list(client.deleted_users(ListDeletedUsersRequest(page_size=1)))
    since = client.profiles.ListDeletedUsers(ListDeletedUsersRequest(since=everyone[1].deleted_at))

    assert [gone.user_id_hash for gone in everyone] == hashes
    assert [gone.user_id_hash for gone in since.deleted_users] == hashes[1:]
    assert since.next_page_token == ""
