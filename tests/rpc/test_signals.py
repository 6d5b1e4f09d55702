"""The signal ledger: ListSignals, DeleteEvents and ResetSignals on each engine."""

import datetime as dt
import random
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import FALLBACK_REASON_NEW_USER, REASON_TYPE_TRENDING
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_CLICK,
    EVENT_TYPE_IMPRESSION,
    EVENT_TYPE_LIKE,
    EVENT_TYPE_SAVE,
    SIGNAL_EFFECT_FEWER_SIMILAR,
    SIGNAL_EFFECT_HIDES_PAPER,
    SIGNAL_EFFECT_MORE_SIMILAR,
    SIGNAL_EFFECT_TAKES_BACK,
    SIGNAL_EFFECT_TREND,
    DeleteEventsRequest,
    Event,
    EventType,
    GetProfileRequest,
    Interest,
    ListSignalsRequest,
    ListSignalsResponse,
    Preferences,
    RecordEventsRequest,
    ResetSignalsRequest,
    Signal,
    UpdateInterestRequest,
)
from service.domain.events import UserState, user_id_hash
from testing.calls import MONDAY, at, failing, fresh, make_digest, make_papers, record, upsert, upsert_ready
from testing.servers import Service, serving
from tests.rpc.feed_calls import get_feed, kinds, prefer, shown

DECIDING = ("like", "unlike", "dislike", "save", "dismiss", "sent", "complaint", "click", "impression")


@pytest.fixture
def service(each_engine: Service) -> Service:
    return each_engine


def ledger(client: Client, user: str, **fields: Any) -> ListSignalsResponse:
    return client.profiles.ListSignals(ListSignalsRequest(user_id=user, **fields))


def undo(client: Client, user: str, *event_ids: str) -> int:
    return client.profiles.DeleteEvents(DeleteEventsRequest(user_id=user, event_ids=event_ids)).deleted_count


def state_of(service: Service, user: str) -> UserState:
    with service.application.store.read() as tx:
        state = tx.users.find_state(user)
    assert state is not None
    return state


def verdicts_of(service: Service, user: str) -> tuple[Any, ...]:
    state = state_of(service, user)
    return state.likes, state.dislikes, state.hidden_paper_ids


def effects(signals: list[Signal]) -> list[list[int]]:
    return [list(signal.effects) for signal in signals]


def test_pages_newest_first(client: Client) -> None:
    """Pages list events by arrival, newest first, with title and time; preferences come with the first page."""
    papers = make_papers(3)
    upsert(client, papers)
    user = fresh("user")
    prefer(client, user, followed_topics=["cs.CV"])
    record(client, user, "impression", papers[0].paper_id)
    for paper in papers:
        record(client, user, "like", paper.paper_id, when=MONDAY)

    first = ledger(client, user, page_size=2)
    last = ledger(client, user, page_size=2, page_token=first.next_page_token)
    seen = ledger(client, user, event_types=[EVENT_TYPE_IMPRESSION])

    listed = [*first.signals, *last.signals]
    assert [signal.title for signal in listed] == [paper.title for paper in papers[::-1]]
    assert [signal.event.occurred_at for signal in listed] == [at(MONDAY)] * 3
    assert all(signal.recorded_at.seconds > at(MONDAY).seconds and signal.event.event_id for signal in listed)
    assert first.preferences == Preferences(followed_topics=["cs.CV"])
    assert not last.HasField("preferences")
    assert last.next_page_token == ""
    assert effects(list(seen.signals)) == [[]]
    assert list(client.signals(ListSignalsRequest(user_id=user, page_size=1))) == listed
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "user_id"):
        ledger(client, fresh("user"))


def test_effects(client: Client) -> None:
    """Each event says what it does now; those that were taken back do nothing but heat the trend."""
    a, b, c = upsert(client, make_papers(3))
    user = fresh("user")
    history = [("like", a), ("dismiss", a), ("save", b), ("unlike", b), ("dislike", c), ("click", c), ("sent", c)]
    for number, (kind, paper) in enumerate(history):
        record(client, user, kind, paper, when=MONDAY + dt.timedelta(seconds=number))

    found = effects(list(ledger(client, user).signals)[::-1])

    hides = SIGNAL_EFFECT_HIDES_PAPER
    assert found == [
        [SIGNAL_EFFECT_MORE_SIMILAR, hides, SIGNAL_EFFECT_TREND],
        [hides],
        [SIGNAL_EFFECT_TREND],
        [SIGNAL_EFFECT_TAKES_BACK],
        [SIGNAL_EFFECT_FEWER_SIMILAR, hides],
        [SIGNAL_EFFECT_TREND],
        [hides],
    ]


def test_undo_restores_the_state_before(client: Client, service: Service) -> None:
    """After any history, deleting the last event gives the state before it, whatever its type."""
    papers, chance = upsert(client, make_papers(3)), random.Random(7)
    user = fresh("user")
    record(client, user, "click", papers[0])
    for number in range(40):
        before, feed = verdicts_of(service, user), ledger(client, user, page_size=100).signals
        when = None if chance.random() < 0.1 else MONDAY + dt.timedelta(seconds=chance.randrange(100))
        kind, name = chance.choice(DECIDING), f"e{number}"
        event = Event(
            event_id=name,
            user_id=user,
            paper_id=chance.choice(papers),
            event_type=EventType.Value(f"EVENT_TYPE_{kind.upper()}"),
            occurred_at=at(when) if when else None,
        )
        client.profiles.RecordEvents(RecordEventsRequest(events=[event]))
        after = verdicts_of(service, user)

        assert undo(client, user, name) == 1
        assert verdicts_of(service, user) == before, (kind, when)
        assert list(ledger(client, user, page_size=100).signals) == list(feed)
        client.profiles.RecordEvents(RecordEventsRequest(events=[event]))
        assert verdicts_of(service, user) == after


def test_undo_shows_in_the_next_feed(client: Client) -> None:
    """An undone dismissal is shown again, and an undone dislike brings back the like before it; repeats do nothing."""
    liked, *papers = upsert_ready(client, make_papers(4))
    digest, user = make_digest(client, papers), fresh("user")
    record(client, user, "like", liked, when=MONDAY)
    record(client, user, "dislike", liked, when=MONDAY + dt.timedelta(seconds=1))
    record(client, user, "dismiss", papers[0])
    assert get_feed(client, user, digest).fallback_reason == FALLBACK_REASON_NEW_USER
    dismissed, disliked, _ = (signal.event.event_id for signal in ledger(client, user).signals)

    counts = [undo(client, user, dismissed, disliked, dismissed, "unknown"), undo(client, user, dismissed)]

    feed = get_feed(client, user, digest)
    assert counts == [2, 0]
    assert sorted(shown(feed)) == sorted(papers)
    assert feed.model_version.startswith("tiny-")
    assert undo(client, fresh("user"), dismissed) == 0


def test_trends_follow_undo_and_reset(client: Client, service: Service) -> None:
    """Trends no longer count deleted events, on this server and on another that had them in memory."""
    papers = upsert(client, make_papers(4))
    digest, crowd, other = make_digest(client, papers), fresh("crowd"), fresh("crowd")

    def trending(client: Client) -> list[str]:
        feed = get_feed(client, fresh("user"), digest, explain=True)
        return sorted(item.paper.paper_id for item in feed.items if REASON_TYPE_TRENDING in kinds(item))

    with serving(service.url, embeds=False) as second:
        for name, paper in ((crowd, papers[0]), (other, papers[1])):
            record(client, name, "like", paper, when=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
        assert trending(client) == trending(second.client) == sorted(papers[:2])

        undo(client, crowd, ledger(client, crowd).signals[0].event.event_id)
        assert trending(client) == trending(second.client) == [papers[1]]

        client.profiles.ResetSignals(ResetSignalsRequest(user_id=other))
        assert trending(client) == trending(second.client) == []
        record(client, crowd, "save", papers[2], when=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
        assert trending(client) == trending(second.client) == [papers[2]]


def test_reset_takes_back_all(client: Client, service: Service) -> None:
    """A reset deletes events, preferences and interests, keeps the user, leaves an audit entry and can be repeated."""
    papers = upsert_ready(client, make_papers(3))
    digest, user = make_digest(client, papers), fresh("user")
    record(client, user, "like", papers[0])
    record(client, user, "impression", papers[1])
    prefer(client, user, muted_keywords=["vision"], followed_authors=["Ada"])
    (interest,) = client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile.interests
    wanted = Interest(interest_id=interest.interest_id, paused=True)
    client.profiles.UpdateInterest(
        UpdateInterestRequest(user_id=user, interest=wanted, update_mask=FieldMask(paths=["paused"]))
    )

    counts = [
        client.profiles.ResetSignals(ResetSignalsRequest(user_id=name)).deleted_count
        for name in (user, user, fresh("user"))
    ]

    assert counts == [2, 0, 0]
    profile = client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile
    assert (profile.like_count, profile.preferences, list(profile.interests)) == (0, Preferences(), [])
    assert not ledger(client, user).signals
    feed = get_feed(client, user, digest)
    assert (feed.fallback_reason, sorted(shown(feed))) == (FALLBACK_REASON_NEW_USER, sorted(papers))
    with service.application.store.read() as tx:
        entries = tx.audit.newest(limit=10, target=f"user:{user_id_hash(user)}")
    assert [(entry.action, entry.outcome) for entry in entries] == [("ProfileService/ResetSignals", "OK")] * 2


def test_filter_of_types(client: Client) -> None:
    """Only the types asked for are listed; unknown types are refused."""
    (paper,) = upsert(client, make_papers(1))
    user = fresh("user")
    for kind in ("like", "click", "save"):
        record(client, user, kind, paper)

    wanted = [EVENT_TYPE_LIKE, EVENT_TYPE_SAVE, EVENT_TYPE_LIKE]
    found = ledger(client, user, event_types=wanted)

    assert [signal.event.event_type for signal in found.signals] == [EVENT_TYPE_SAVE, EVENT_TYPE_LIKE]
    assert [signal.event.event_type for signal in ledger(client, user, event_types=[EVENT_TYPE_CLICK]).signals] == [4]
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "event_types[1]"):
        ledger(client, user, event_types=[EVENT_TYPE_LIKE, 99])  # type: ignore[list-item]
