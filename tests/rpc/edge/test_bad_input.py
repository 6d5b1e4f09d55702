"""Bad input gets the right code, reason and field, and nothing of it is stored. On each engine."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import (
    BatchGetPapersRequest,
    DeleteDigestRequest,
    DeletePaperRequest,
    Digest,
    GetDigestRequest,
    GetPaperRequest,
    ListDigestsRequest,
    ListPapersRequest,
    Paper,
    UpsertDigestRequest,
    UpsertPapersRequest,
)
from paperfeed.v1.feed_pb2 import (
    ExplainPaperRequest,
    FindSimilarPapersRequest,
    GetFeedRequest,
    GetSlateRequest,
    StreamFeedsRequest,
    TimeWindow,
)
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_CLICK,
    EVENT_TYPE_LIKE,
    DeleteEventsRequest,
    DeleteUserRequest,
    Event,
    ExportUserRequest,
    GetProfileRequest,
    ListDeletedUsersRequest,
    ListLikesRequest,
    ListSignalsRequest,
    Preferences,
    RecordEventsRequest,
    ResetSignalsRequest,
    UpdatePreferencesRequest,
)
from testing.calls import at, call, failing, fresh, make_digest, make_papers, on, record, upsert, upsert_ready
from testing.servers import Service


@pytest.fixture
def service(each_engine: Service) -> Service:
    return each_engine


INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
TOO_LATE = Timestamp(seconds=253_402_300_800)  # the year 10000
BAD_NANOS = Timestamp(seconds=1, nanos=-1)


@dataclass(frozen=True)
class Case:
    """A bad request and the field that must be named."""

    request: Message
    field: str
    code: grpc.StatusCode = INVALID
    reason: str = "INVALID_FIELD"


def upserting(**fields: Any) -> UpsertPapersRequest:
    return UpsertPapersRequest(papers=[Paper(**{"paper_id": "p", "title": "A title", **fields})])


def recording(**fields: Any) -> RecordEventsRequest:
    event = {"user_id": "u", "paper_id": "known", "event_type": EVENT_TYPE_LIKE, **fields}
    return RecordEventsRequest(events=[Event(**event)])


def preferring(**lists: list[str]) -> UpdatePreferencesRequest:
    return UpdatePreferencesRequest(user_id="u", preferences=Preferences(**lists))


def digesting(**fields: Any) -> UpsertDigestRequest:
    return UpsertDigestRequest(digest=Digest(**{"date": on("2026-03-09"), **fields}))


TOMORROW = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
CASES = [
    Case(UpsertPapersRequest(), "papers"),
    Case(UpsertPapersRequest(papers=[Paper(title="t")] * 1_001), "papers"),
    Case(
        UpsertPapersRequest(papers=[Paper(paper_id="p", title="a"), Paper(paper_id="p", title="b")]),
        "papers[1].paper_id",
    ),
    Case(upserting(title=""), "papers[0].title"),
    Case(upserting(title=" \n"), "papers[0].title"),
    Case(upserting(title="x" * 2_001), "papers[0].title"),
    Case(upserting(title="a\x00b"), "papers[0].title"),
    Case(upserting(abstract="\x00"), "papers[0].abstract"),
    Case(upserting(abstract="x" * 40_001), "papers[0].abstract"),
    Case(upserting(paper_id="a b"), "papers[0].paper_id"),
    Case(upserting(paper_id="a\u200eb"), "papers[0].paper_id"),
    Case(upserting(paper_id="x" * 201), "papers[0].paper_id"),
    Case(upserting(authors=["a", "x" * 501]), "papers[0].authors[1]"),
    Case(upserting(categories=["\x00"]), "papers[0].categories[0]"),
    Case(upserting(authors=["a"] * 5_001), "papers[0].authors"),
    Case(upserting(authors=[f"{i:04d}" + "é" * 200 for i in range(250)]), "papers[0].authors"),
    Case(upserting(categories=["x" * 201]), "papers[0].categories[0]"),
    Case(upserting(categories=["a"] * 51), "papers[0].categories"),
    Case(UpsertPapersRequest(papers=[Paper(title="t", abstract="x" * 40_000)] * 201), "papers"),
    Case(
        UpsertPapersRequest(papers=[Paper(title="t")], update_mask={"paths": ["abstract", "paper_id"]}), "update_mask"
    ),
    Case(upserting(url="x" * 2_001), "papers[0].url"),
    Case(upserting(upvotes=-1), "papers[0].upvotes"),
    Case(upserting(upvotes=1_000_000_001), "papers[0].upvotes"),
    Case(upserting(published_at=TOO_LATE), "papers[0].published_at"),
    Case(upserting(first_seen_at=BAD_NANOS), "papers[0].first_seen_at"),
    Case(GetPaperRequest(), "paper_id"),
    Case(GetPaperRequest(paper_id="\x00"), "paper_id"),
    Case(GetPaperRequest(paper_id="nowhere"), "paper_id", NOT_FOUND, "NOT_FOUND"),
    Case(GetPaperRequest(paper_id="😀" * 2_000), "paper_id", NOT_FOUND, "NOT_FOUND"),
    Case(DeletePaperRequest(paper_id="nowhere"), "paper_id", NOT_FOUND, "NOT_FOUND"),
    Case(BatchGetPapersRequest(), "paper_ids"),
    Case(BatchGetPapersRequest(paper_ids=["p"] * 101), "paper_ids"),
    Case(BatchGetPapersRequest(paper_ids=["known", " "]), "paper_ids[1]"),
    Case(BatchGetPapersRequest(paper_ids=["known"], view=99), "view"),
    Case(ListPapersRequest(page_size=-1), "page_size"),
    Case(ListPapersRequest(view=-1), "view"),
    Case(ListDigestsRequest(page_size=-1), "page_size"),
    Case(digesting(date=None), "digest.date"),
    Case(digesting(date=Date(year=2026)), "digest.date"),
    Case(digesting(date=Date(year=2026, month=3)), "digest.date"),
    Case(digesting(date=Date(month=3, day=9)), "digest.date"),
    Case(digesting(date=Date(year=2026, month=2, day=30)), "digest.date"),
    Case(digesting(date=Date(year=2026, month=-1, day=2**31 - 1)), "digest.date"),
    Case(digesting(date=on("1989-12-31")), "digest.date"),
    Case(digesting(date=on(TOMORROW + dt.timedelta(days=2))), "digest.date"),
    Case(digesting(digest_id="a b"), "digest.digest_id"),
    Case(digesting(source="x" * 101), "digest.source"),
    Case(digesting(title="x" * 2_001), "digest.title"),
    Case(digesting(paper_ids=["p"] * 10_001), "digest.paper_ids"),
    Case(digesting(paper_ids=["known", ""]), "digest.paper_ids[1]"),
    Case(digesting(paper_ids=["known", "nowhere"]), "digest.paper_ids[1]", NOT_FOUND, "NOT_FOUND"),
    Case(DeleteDigestRequest(digest_id="nowhere"), "digest_id", NOT_FOUND, "NOT_FOUND"),
    Case(DeleteDigestRequest(digest_id="\x00", allow_missing=True), "digest_id"),
    Case(GetDigestRequest(digest_id="nowhere"), "digest_id", NOT_FOUND, "NOT_FOUND"),
    Case(GetDigestRequest(digest_id="\x00"), "digest_id"),
    Case(RecordEventsRequest(), "events"),
    Case(RecordEventsRequest(events=[Event()] * 1_001), "events"),
    Case(recording(user_id=""), "events[0].user_id"),
    Case(recording(user_id="two words"), "events[0].user_id"),
    Case(recording(paper_id=""), "events[0].paper_id"),
    Case(recording(paper_id="nowhere"), "events[0].paper_id", NOT_FOUND, "NOT_FOUND"),
    Case(recording(event_type=0), "events[0].event_type"),
    Case(recording(event_type=99), "events[0].event_type"),
    Case(recording(event_id="x" * 201), "events[0].event_id"),
    Case(recording(slate_id="x" * 201), "events[0].slate_id"),
    Case(recording(occurred_at=at(dt.datetime.now(dt.UTC) + dt.timedelta(days=1))), "events[0].occurred_at"),
    Case(recording(occurred_at=TOO_LATE), "events[0].occurred_at"),
    Case(recording(occurred_at=BAD_NANOS), "events[0].occurred_at"),
    Case(preferring(followed_topics=["x"] * 201), "preferences.followed_topics"),
    Case(preferring(muted_keywords=["a", "x" * 201]), "preferences.muted_keywords[1]"),
    Case(preferring(muted_authors=[""]), "preferences.muted_authors[0]"),
    Case(preferring(muted_topics=["\x00"]), "preferences.muted_topics[0]"),
    Case(UpdatePreferencesRequest(), "user_id"),
    Case(UpdatePreferencesRequest(user_id="u", update_mask={"paths": ["followed"]}), "update_mask"),
    Case(GetProfileRequest(user_id=""), "user_id"),
    Case(ListLikesRequest(user_id="u", page_size=-1), "page_size"),
    Case(ExportUserRequest(user_id="\x00"), "user_id"),
    Case(DeleteUserRequest(user_id=""), "user_id"),
    Case(ListDeletedUsersRequest(page_size=-1), "page_size"),
    Case(ListDeletedUsersRequest(since=TOO_LATE), "since"),
    Case(GetFeedRequest(), "user_id"),
    Case(GetFeedRequest(user_id="x" * 201), "user_id"),
    Case(GetFeedRequest(user_id="u", page_size=-1), "page_size"),
    Case(GetFeedRequest(user_id="u", diversity=float("nan")), "diversity"),
    Case(GetFeedRequest(user_id="u", diversity=1.01), "diversity"),
    Case(GetFeedRequest(user_id="u", diversity=float("-inf")), "diversity"),
    Case(GetFeedRequest(user_id="u", view=3), "view"),
    Case(GetFeedRequest(user_id="u", as_of=TOO_LATE), "as_of"),
    Case(GetFeedRequest(user_id="u", digest_id="nowhere"), "digest_id", NOT_FOUND, "NOT_FOUND"),
    Case(GetFeedRequest(user_id="u", digest_id="\x00"), "digest_id"),
    Case(GetFeedRequest(user_id="u", window=TimeWindow()), "window.start_at"),
    Case(GetFeedRequest(user_id="u", window=TimeWindow(start_at=TOO_LATE)), "window.start_at"),
    Case(GetFeedRequest(user_id="u", window=TimeWindow(start_at=Timestamp(), end_at=Timestamp())), "window.end_at"),
    Case(GetFeedRequest(user_id="u", exclude_paper_ids=["p"] * 1_001), "exclude_paper_ids"),
    Case(GetFeedRequest(user_id="u", exclude_paper_ids=[""]), "exclude_paper_ids[0]"),
    Case(GetSlateRequest(), "slate_id"),
    Case(GetSlateRequest(slate_id="nowhere"), "slate_id", NOT_FOUND, "NOT_FOUND"),
    Case(GetSlateRequest(slate_id="known", page_size=-1), "page_size"),
    Case(StreamFeedsRequest(user_ids=["u"], digest_ids=["known", "\x00"]), "digest_ids[1]"),
    Case(StreamFeedsRequest(all_users=True, start_after="\x00"), "start_after"),
    Case(StreamFeedsRequest(user_ids=["u"], as_of=TOO_LATE), "as_of"),
    Case(FindSimilarPapersRequest(), "paper_id"),
    Case(FindSimilarPapersRequest(paper_id="known", limit=-1), "limit"),
    Case(ExplainPaperRequest(user_id="u"), "paper_id"),
    Case(ExplainPaperRequest(user_id="u", paper_id="known", digest_id="\x00"), "digest_id"),
    Case(ExplainPaperRequest(user_id="u", paper_id="known", slate_id=""), "slate_id"),
    Case(ExplainPaperRequest(user_id="u", paper_id="known", diversity=2), "diversity"),
    Case(ExplainPaperRequest(user_id="u", paper_id="known", as_of=TOO_LATE), "as_of"),
    Case(ExplainPaperRequest(user_id="u", paper_id="known", exclude_paper_ids=["p"] * 1_001), "exclude_paper_ids"),
    Case(ListSignalsRequest(user_id="u", page_size=-1), "page_size"),
    Case(ListSignalsRequest(user_id="u", event_types=[0]), "event_types[0]"),
    Case(ListSignalsRequest(user_id="u", event_types=[1] * 21), "event_types"),
    Case(DeleteEventsRequest(user_id="u"), "event_ids"),
    Case(DeleteEventsRequest(user_id="u", event_ids=["e"] * 1_001), "event_ids"),
    Case(DeleteEventsRequest(user_id="u", event_ids=["e", ""]), "event_ids[1]"),
    Case(ResetSignalsRequest(user_id="\x00"), "user_id"),
]


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{i:02d}-{type(case.request).__name__}-{case.field}" for i, case in enumerate(CASES)]
)
def test_bad_input_is_named(client: Client, case: Case) -> None:
    """Every bad field gets its code, reason and path."""
    upsert(client, [Paper(paper_id="known", title="Known to all these tests")])

    with failing(case.code, case.reason, case.field) as failure:
        call(client, case.request)

    assert failure.said.message


def test_a_bad_paper_keeps_all_out(client: Client) -> None:
    """If one paper of a call is bad, none is written."""
    good = make_papers(2)

    with failing(INVALID, "INVALID_FIELD", "papers[1].title"):
        client.catalog.UpsertPapers(UpsertPapersRequest(papers=[good[0], Paper(paper_id="x"), good[1]]))

    for paper in good:
        with failing(NOT_FOUND, "NOT_FOUND", "paper_id"):
            client.catalog.GetPaper(GetPaperRequest(paper_id=paper.paper_id))


def test_a_bad_event_keeps_all_out(client: Client) -> None:
    """If one event of a call is bad, none is recorded and no user is created."""
    (paper,) = upsert(client, make_papers(1))
    user = fresh("user")
    good = Event(user_id=user, paper_id=paper, event_type=EVENT_TYPE_CLICK)
    unknown = Event(user_id=user, paper_id=fresh("nowhere"), event_type=EVENT_TYPE_CLICK)

    with failing(NOT_FOUND, "NOT_FOUND", "events[1].paper_id"):
        client.profiles.RecordEvents(RecordEventsRequest(events=[good, unknown]))
    with failing(INVALID, "INVALID_FIELD", "events[1].event_type"):
        client.profiles.RecordEvents(RecordEventsRequest(events=[good, Event(user_id=user, paper_id=paper)]))

    with failing(NOT_FOUND, "NOT_FOUND", "user_id"):
        client.profiles.GetProfile(GetProfileRequest(user_id=user))


def test_a_bad_digest_leaves_the_old_one(client: Client) -> None:
    """Replacing a digest with papers of which one is unknown changes nothing."""
    a, b = upsert(client, make_papers(2))
    digest = make_digest(client, [a])

    with failing(NOT_FOUND, "NOT_FOUND", "digest.paper_ids[1]"):
        make_digest(client, [b, fresh("nowhere")], digest_id=digest)

    assert client.catalog.GetDigest(GetDigestRequest(digest_id=digest)).digest.paper_ids == [a]


def test_bad_preferences_leave_the_old_ones(client: Client) -> None:
    """If one list of preferences is bad, none is replaced."""
    user = fresh("user")
    old = Preferences(followed_topics=["cs.LG"])
    client.profiles.UpdatePreferences(UpdatePreferencesRequest(user_id=user, preferences=old))
    bad = Preferences(followed_topics=["cs.CL"], muted_topics=["x" * 201])

    with failing(INVALID, "INVALID_FIELD", "preferences.muted_topics[0]"):
        client.profiles.UpdatePreferences(UpdatePreferencesRequest(user_id=user, preferences=bad))

    assert client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile.preferences == old


def test_five_minutes_of_clock_skew_are_allowed(client: Client) -> None:
    """An event up to five minutes in the future is recorded, a later one is not."""
    (paper,) = upsert(client, make_papers(1))
    now = dt.datetime.now(dt.UTC)
    record(client, fresh("user"), "like", paper, when=now + dt.timedelta(minutes=4))

    with failing(INVALID, "INVALID_FIELD", "events[0].occurred_at"):
        record(client, fresh("user"), "like", paper, when=now + dt.timedelta(minutes=6))


def test_the_edges_of_time_are_kept(client: Client) -> None:
    """The first and the last valid timestamp are stored and returned to the microsecond."""
    first, last = Timestamp(seconds=-62_135_596_800), Timestamp(seconds=253_402_300_799, nanos=999_999_000)
    papers = make_papers(2)
    papers[0].published_at.CopyFrom(first)
    papers[1].published_at.CopyFrom(last)
    names = upsert_ready(client, papers)

    for name, moment in zip(names, (first, last), strict=True):
        assert client.catalog.GetPaper(GetPaperRequest(paper_id=name)).paper.published_at == moment
    digest, user = make_digest(client, names), fresh("user")
    record(client, user, "like", *upsert_ready(client, make_papers(1)), when=dt.datetime(1, 1, 1, tzinfo=dt.UTC))
    for moment in (first, last):
        assert len(client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest, as_of=moment)).slate.items) == 2


def test_a_long_name_does_not_break_the_connection(client: Client) -> None:
    """An error with a very long name fits into the headers and is the right one."""
    for name in ("x" * 2_000, "é" * 2_000, "😀" * 2_000, "%" * 2_000):
        with failing(NOT_FOUND, "NOT_FOUND", "paper_id") as failure:
            client.catalog.GetPaper(GetPaperRequest(paper_id=name))
        assert name.startswith(failure.said.metadata["name"].removesuffix("..."))
