"""The export and the deletion of a user, over gRPC on each engine."""

import datetime as dt
import hashlib
from collections.abc import Callable

import grpc

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import GetFeedRequest, GetSlateRequest
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_CLICK,
    EVENT_TYPE_LIKE,
    DeleteUserRequest,
    Event,
    ListDeletedUsersRequest,
    Preferences,
    RecordEventsRequest,
)
from service.app.synced.libraries import FoundItem, LibraryChanges, sync_library
from service.bootstrap import SystemClock
from service.domain.libraries import LibraryCollection
from service.domain.papers import Paper
from service.storage import open_store
from testing.calls import MONDAY, at, failing, fresh, make_digest, make_papers, record, upsert
from testing.servers import Service
from tests.rpc.profiles.calls import export, likes, prefer, profile

HOUR = dt.timedelta(hours=1)


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
