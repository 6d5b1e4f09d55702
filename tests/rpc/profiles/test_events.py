"""Events and the likes that follow from them, over gRPC on each engine."""

import datetime as dt

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_CLICK,
    EVENT_TYPE_LIKE,
    EVENT_TYPE_UNLIKE,
    Event,
    ListLikesRequest,
    RecordEventsRequest,
)
from service.domain.events import EventType, default_event_id
from testing.calls import MONDAY, at, failing, fresh, ids, make_papers, record, upsert, upsert_ready
from tests.rpc.profiles.calls import export, likes, profile

HOUR = dt.timedelta(hours=1)


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
