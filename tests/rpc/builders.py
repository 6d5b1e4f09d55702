"""Papers, events and waiting, for tests that talk to a real server."""

import datetime as dt
import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from paperfeed.client import Client, ErrorDetails, error_details
from paperfeed.v1 import catalog_pb2, profile_pb2
from paperfeed.v1.catalog_pb2 import (
    EMBEDDING_STATE_PENDING,
    BatchGetPapersRequest,
    CreateDigestRequest,
    Paper,
    UpsertPapersRequest,
)
from paperfeed.v1.profile_pb2 import Event, RecordEventsRequest

# Topics share no word, so that papers of one topic are near and papers of two are not.
TOPICS = {
    "vision": "image segmentation pixel camera depth convolution object detection scene render texture video",
    "language": "translation token grammar dialogue corpus syntax parsing summary vocabulary sentence prompt decoder",
    "graphs": "node edge spectral clustering adjacency walk community link motif subgraph isomorphism matching",
    "robots": "gripper locomotion torque actuator manipulation trajectory planner navigation odometry contact arm leg",
    "biology": "protein genome folding enzyme cell molecule sequence docking peptide mutation antibody tissue",
    "audio": "speech acoustic phoneme microphone melody spectrogram voice noise pitch waveform recording music",
}
MONDAY = dt.datetime(2026, 3, 9, 12, tzinfo=dt.UTC)


def fresh(prefix: str) -> str:
    """An id that no other test uses."""
    return f"{prefix}-{secrets.token_hex(6)}"


def at(moment: dt.datetime) -> Timestamp:
    """The moment as a message."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def make_papers(count: int, topic: str = "vision", **fields: Any) -> list[Paper]:
    """Papers of one topic with fresh ids and titles; each shares most words with its neighbours, none with others."""
    words = TOPICS[topic].split()
    papers = []
    for i in range(count):
        token = secrets.token_hex(4)
        chosen = [words[(i + step) % len(words)] for step in range(8)]
        papers.append(
            Paper(
                paper_id=f"{topic}-{i:03d}-{token}",
                title=f"{' '.join(chosen[:4])} {token}",
                abstract=" ".join(chosen * 2),
                **fields,
            )
        )
    return papers


def ids(papers: Sequence[Any]) -> list[str]:
    """The papers' ids."""
    return [paper.paper_id for paper in papers]


def upsert(client: Client, papers: Sequence[Paper]) -> list[str]:
    """Writes papers; gives their canonical ids."""
    return [r.paper_id for r in client.catalog.UpsertPapers(UpsertPapersRequest(papers=papers)).results]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits until the condition holds; fails the test when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail("the condition did not come to hold in time")
        time.sleep(0.01)


def upsert_ready(client: Client, papers: Sequence[Paper]) -> list[str]:
    """Writes papers and waits for their vectors."""
    paper_ids = upsert(client, papers)

    def is_ready() -> bool:
        found = client.catalog.BatchGetPapers(BatchGetPapersRequest(paper_ids=paper_ids)).papers
        return all(paper.embedding_state != EMBEDDING_STATE_PENDING for paper in found)

    wait_until(is_ready)
    return paper_ids


def make_digest(client: Client, paper_ids: Sequence[str], date: str = "2026-03-09", digest_id: str = "") -> str:
    """Makes a digest; gives its id."""
    digest = catalog_pb2.Digest(digest_id=digest_id or fresh("digest"), date=date)
    return client.catalog.CreateDigest(CreateDigestRequest(digest=digest, paper_ids=paper_ids)).digest.digest_id


def record(client: Client, user_id: str, kind: str, *paper_ids: str, when: dt.datetime | None = None) -> None:
    """Records one event of a kind (``like``) for each paper; with a time, each a second after the one before."""
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
    """Filled when the block of ``failing`` has ended."""

    details: ErrorDetails | None = None

    @property
    def said(self) -> ErrorDetails:
        """What the failed call said."""
        assert self.details is not None
        return self.details


@contextmanager
def failing(code: grpc.StatusCode, reason: str | None = None, field: str | None = None) -> Iterator[Failure]:
    """The call in the block must fail with this code, ErrorInfo reason and violated field."""
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
    """Sends a request to the RPC that takes it; streams are read to their end."""
    name = type(request).__name__.removesuffix("Request")
    stub = next(stub for stub in (client.catalog, client.profiles, client.feeds) if hasattr(stub, name))
    answer = getattr(stub, name)(request)
    return list(answer) if isinstance(answer, Iterator) else answer
