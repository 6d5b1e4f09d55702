"""The two servers that ``benchmarks.serving.serve`` compares, and the requests to them."""

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from benchmarks.jobs.population import CANDIDATES, LIKES, empty_database, fill, paper_id, user_id
from benchmarks.serving import floor_server
from benchmarks.serving.processes import Server, paperfeed, serving
from paperfeed.v1 import feed_pb2, feed_pb2_grpc, profile_pb2
from ranker.bundle.bundle import load_bundle

PAGE = 20
RECORD_EVENTS = "/paperfeed.v1.ProfileService/RecordEvents"
FLOOR = f"/{floor_server.SERVICE}/{floor_server.METHOD}"


@dataclass(frozen=True)
class Pair:
    """The two servers, and the options of the benchmark."""

    real: Server
    floor: Server
    options: argparse.Namespace


def feed_request(number: int) -> feed_pb2.GetFeedRequest:
    """Return the GetFeed request of a user."""
    return feed_pb2.GetFeedRequest(user_id=user_id(number), page_size=PAGE, explain=True)


def like_request(number: int, paper: int) -> profile_pb2.RecordEventsRequest:
    """Return the request that records a like of a user now."""
    now = Timestamp()
    now.GetCurrentTime()
    event = profile_pb2.Event(
        user_id=user_id(number), paper_id=paper_id(paper), event_type=profile_pb2.EVENT_TYPE_LIKE, occurred_at=now
    )
    return profile_pb2.RecordEventsRequest(events=[event])


@contextlib.contextmanager
def two_servers(options: argparse.Namespace, folder: Path) -> Iterator[Pair]:
    """Run ``paperfeed serve`` on a filled database, and the floor, which returns the same bytes as one feed."""
    encoder = load_bundle(options.bundle, encoder=None).encoder_name
    # The digest has a fixed date, which must not count as stale.
    settings = {"bundle": options.bundle, "encoder": encoder, "stale_digest_days": 36_500}
    with empty_database(options.db, folder) as url:
        fill(url, options.users, encoder, LIKES, options.papers)
        with paperfeed(folder / "serve.log", *options.serve_option, db=url, **settings) as real:
            (folder / "answer").write_bytes(checked_answer(real))
            floor_arguments = ("benchmarks.serving.floor_server", folder / "answer", CANDIDATES)
            with serving(floor_arguments, FLOOR, folder / "floor.log") as floor:
                yield Pair(real, floor, options)


def checked_answer(real: Server) -> bytes:
    """Return the serialized response of GetFeed for the first user.

    Raises:
        RuntimeError: The feed was not ranked with the bundle, has no reasons, or its slate was not stored.
    """
    with grpc.insecure_channel(real.address) as channel:
        stub = feed_pb2_grpc.FeedServiceStub(channel)
        answer = stub.GetFeed(feed_request(0), timeout=60)
        feed = answer.slate
        slate = stub.GetSlate(feed_pb2.GetSlateRequest(slate_id=feed.slate_id), timeout=60).slate
    fallback = feed_pb2.FallbackReason.Name(feed.fallback_reason)
    explained = sum(bool(item.reasons) for item in feed.items)
    if fallback != "FALLBACK_REASON_NONE" or len(feed.items) != PAGE or not explained or not slate.items:
        raise RuntimeError(f"the feed is not as expected: {fallback}, {len(feed.items)} items, {explained} explained")
    return bytes(answer.SerializeToString())
