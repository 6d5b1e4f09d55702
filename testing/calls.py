"""Builders of papers, digests and events, and waiting, for tests with a real server."""

import datetime as dt
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from paperfeed.client import Client, ErrorDetails, error_details
from paperfeed.v1 import catalog_pb2, profile_pb2
from paperfeed.v1.catalog_pb2 import (
    EMBEDDING_STATE_PENDING,
    BatchGetPapersRequest,
    Paper,
    UpsertDigestRequest,
    UpsertPapersRequest,
)
from paperfeed.v1.feed_pb2 import InlinePapers, PaperIds, RankPapersRequest
from paperfeed.v1.profile_pb2 import Event, RecordEventsRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.api.convert import to_date
from testing.names import token
from testing.papers import TOPICS

MONDAY = dt.datetime(2026, 3, 9, 12, tzinfo=dt.UTC)


def fresh(prefix: str) -> str:
    """Return an id that no other test uses."""
    return f"{prefix}-{token(12)}"


def at(moment: dt.datetime) -> Timestamp:
    """Return the timestamp of a time."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def on(date: str | dt.date) -> Date:
    """Return the message of a day, given as such or like ``2026-03-09``."""
    return to_date(dt.date.fromisoformat(date) if isinstance(date, str) else date)


def make_papers(count: int, topic: str = "vision", **fields: Any) -> list[Paper]:
    """Return papers of one topic with fresh ids and titles; neighbours share most words."""
    words = TOPICS[topic].split()
    papers = []
    for i in range(count):
        mark = token(8)
        chosen = [words[(i + step) % len(words)] for step in range(8)]
        papers.append(
            Paper(
                paper_id=f"{topic}-{i:03d}-{mark}",
                title=f"{' '.join(chosen[:4])} {mark}",
                abstract=" ".join(chosen * 2),
                **fields,
            )
        )
    return papers


def ids(papers: Sequence[Any]) -> list[str]:
    """Return the paper ids of messages."""
    return [paper.paper_id for paper in papers]


def upsert(client: Client, papers: Sequence[Paper]) -> list[str]:
    """Write papers; return their canonical ids."""
    return [r.paper_id for r in client.catalog.UpsertPapers(UpsertPapersRequest(papers=papers)).results]


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until the condition holds; fail the test after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"the condition did not hold within {seconds} seconds")
        time.sleep(0.01)


def calls_at_work(client: Client) -> int:
    """Return the number of calls that run or wait on the server."""
    queues = client.status.GetStatus(GetStatusRequest(), timeout=10).queues
    return next(queue.length for queue in queues if queue.queue == "calls")


def upsert_ready(client: Client, papers: Sequence[Paper]) -> list[str]:
    """Write papers and wait for their vectors; return their canonical ids."""
    paper_ids = upsert(client, papers)

    def is_ready() -> bool:
        found = (
            paper
            for start in range(0, len(paper_ids), 100)
            for paper in client.catalog.BatchGetPapers(
                BatchGetPapersRequest(paper_ids=paper_ids[start : start + 100])
            ).papers
        )
        return all(paper.embedding_state != EMBEDDING_STATE_PENDING for paper in found)

    wait_until(is_ready)
    return paper_ids


def make_digest(client: Client, paper_ids: Sequence[str], date: str = "2026-03-09", digest_id: str = "") -> str:
    """Create a digest; return its id."""
    digest = catalog_pb2.Digest(digest_id=digest_id or fresh("digest"), date=on(date), paper_ids=paper_ids)
    return client.catalog.UpsertDigest(UpsertDigestRequest(digest=digest)).digest.digest_id


def rank_request(
    *,
    liked_paper_ids: Sequence[str] | None = None,
    liked_papers: Sequence[Paper] | None = None,
    candidate_paper_ids: Sequence[str] | None = None,
    candidate_papers: Sequence[Paper] | None = None,
    **fields: Any,
) -> RankPapersRequest:
    """Return a request whose papers are given as lists."""
    return RankPapersRequest(
        liked_paper_ids=None if liked_paper_ids is None else PaperIds(paper_ids=liked_paper_ids),
        liked_papers=None if liked_papers is None else InlinePapers(papers=liked_papers),
        candidate_paper_ids=None if candidate_paper_ids is None else PaperIds(paper_ids=candidate_paper_ids),
        candidate_papers=None if candidate_papers is None else InlinePapers(papers=candidate_papers),
        **fields,
    )


def record(client: Client, user_id: str, kind: str, *paper_ids: str, when: dt.datetime | None = None) -> None:
    """Record an event of a type such as ``like`` for each paper; with ``when``, at intervals of a second."""
    seconds = itertools.count()
    events = [
        Event(
            user_id=user_id,
            paper_id=paper_id,
            event_type=profile_pb2.EventType.Value(f"EVENT_TYPE_{kind.upper()}"),
            occurred_at=at(when + dt.timedelta(seconds=next(seconds))) if when else None,
        )
        for paper_id in paper_ids
    ]
    client.profiles.RecordEvents(RecordEventsRequest(events=events))


@dataclass
class Failure:
    """The error of the call; set at the end of the block of ``failing``."""

    details: ErrorDetails | None = None

    @property
    def said(self) -> ErrorDetails:
        """Details of the failed call."""
        assert self.details is not None
        return self.details


@contextmanager
def failing(code: grpc.StatusCode, reason: str | None = None, field: str | None = None) -> Iterator[Failure]:
    """Assert that the call in the block fails with this code, reason and field."""
    failure = Failure()
    with pytest.raises(grpc.RpcError) as raised:
        yield failure
    failure.details = error_details(raised.value)
    said = failure.details
    assert said.code is code, said
    if reason is not None:
        assert said.reason == reason, said
    if field is not None:
        assert list(said.fields) == [field], said
        assert said.metadata["field"] == field


def call(client: Client, request: Message) -> Any:
    """Send a request to its RPC; read a stream to its end."""
    name = type(request).__name__.removesuffix("Request")
    stub = next(stub for stub in (client.catalog, client.profiles, client.feeds) if hasattr(stub, name))
    answer = getattr(stub, name)(request)
    return list(answer) if isinstance(answer, Iterator) else answer
