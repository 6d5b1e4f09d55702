"""The two servers that ``benchmarks.serving.serve`` compares, and what they are asked."""

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
    """The two that are compared, and what tells how long."""

    real: Server
    floor: Server
    options: argparse.Namespace


def feed_request(number: int) -> feed_pb2.GetFeedRequest:
    """What one of the users asks."""
    return feed_pb2.GetFeedRequest(user_id=user_id(number), page_size=PAGE, explain=True)


def like_request(number: int, paper: int) -> profile_pb2.RecordEventsRequest:
    """A like, now."""
    now = Timestamp()
    now.GetCurrentTime()
    event = profile_pb2.Event(
        user_id=user_id(number), paper_id=paper_id(paper), event_type=profile_pb2.EVENT_TYPE_LIKE, occurred_at=now
    )
    return profile_pb2.RecordEventsRequest(events=[event])


@contextlib.contextmanager
def two_servers(options: argparse.Namespace, folder: Path) -> Iterator[Pair]:
    """``paperfeed serve`` on a filled database, and the floor, which returns what that answered."""
    encoder = load_bundle(options.bundle, encoder=None).encoder_name
    # The made-up digest has a day of its own; a stale one is ranked alike.
    settings = {"bundle": options.bundle, "encoder": encoder, "stale_digest_days": 36_500}
    with empty_database(options.db, folder) as url:
        fill(url, options.users, encoder, LIKES, options.papers)
        with paperfeed(folder / "serve.log", *options.serve_option, db=url, **settings) as real:
            (folder / "answer").write_bytes(checked_answer(real))
            floor_arguments = ("benchmarks.serving.floor_server", folder / "answer", CANDIDATES)
            with serving(floor_arguments, FLOOR, folder / "floor.log") as floor:
                yield Pair(real, floor, options)


def checked_answer(real: Server) -> bytes:
    """One feed as bytes; it comes from the bundle, is explained, and its slate is stored.

    Raises:
        RuntimeError: It is not what shall be measured.
    """
    with grpc.insecure_channel(real.address) as channel:
        stub = feed_pb2_grpc.FeedServiceStub(channel)
        feed = stub.GetFeed(feed_request(0), timeout=60)
        slate = stub.GetSlate(feed_pb2.GetSlateRequest(slate_id=feed.slate_id), timeout=60)
    fallback = feed_pb2.FallbackReason.Name(feed.fallback_reason)
    explained = sum(bool(item.reasons) for item in feed.items)
    if fallback != "FALLBACK_REASON_NONE" or len(feed.items) != PAGE or not explained or not slate.items:
        raise RuntimeError(f"not a feed to measure: {fallback}, {len(feed.items)} items, {explained} explained")
    return bytes(feed.SerializeToString())
