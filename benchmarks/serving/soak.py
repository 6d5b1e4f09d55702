"""Check that a server's memory stops growing during many calls of all kinds at full speed.

    python -m benchmarks.serving.soak --json            # 200,000 calls; about twenty minutes on two idle cores

The server process has the shipped bundle, the default encoder, whose child process stays up, 10,000 papers and 600
users. The callers keep the amount of data in memory constant, so growth means a leak: for each new like they remove an
older like of the same user, they sometimes delete and create users, and new digests replace old ones. Only slates
accumulate, on the disk. This needs Linux, because memory is read from /proc.
"""

import argparse
import asyncio
import collections
import datetime as dt
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks.figures import figure, report
from benchmarks.jobs.population import CANDIDATES, LIKES, PAPERS, fill
from benchmarks.serving.processes import Server, paperfeed
from paperfeed.v1 import catalog_pb2, catalog_pb2_grpc, feed_pb2, feed_pb2_grpc, profile_pb2, profile_pb2_grpc
from service.api.convert import to_date
from service.encoder import DEFAULT_MODEL

CALLERS = 8
NEW_PAPERS = 5
CALLS_PER_DIGEST = 2_000
SAMPLE_SECONDS = 5.0
GROWTH_MB = 8.0
"""Allowed rise of the fitted line over the second half of the run, for noise of the allocator."""
MIX = {
    "feed": 50.0,
    "next_page": 12.0,
    "slate": 6.0,
    "like": 12.0,
    "dismiss": 4.0,
    "list_likes": 9.0,
    "rank": 1.0,
    "profile": 3.0,
    "similar": 0.5,
    "delete": 0.5,
}
LIKE, UNLIKE, DISMISS = (
    profile_pb2.EVENT_TYPE_LIKE,
    profile_pb2.EVENT_TYPE_UNLIKE,
    profile_pb2.EVENT_TYPE_DISMISS,
)


@dataclass
class SimulatedUser:
    """A user's latest likes, last request and last feed."""

    user_id: str
    likes: collections.deque[str] = field(default_factory=collections.deque)
    request: feed_pb2.GetFeedRequest | None = None
    feed: feed_pb2.GetFeedResponse | None = None


class Callers:
    """Callers that send calls of all kinds at the same time; the calls of one user come one after another."""

    def __init__(self, channel: grpc.aio.Channel, users: int, calls: int, seed: int) -> None:
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._profiles = profile_pb2_grpc.ProfileServiceStub(channel)
        self._feeds = feed_pb2_grpc.FeedServiceStub(channel)
        self._random = random.Random(seed)
        self._idle = [SimulatedUser(f"u{number:08d}") for number in range(users)]
        self._left = calls
        self._papers = [f"p{n // 1_000 * 1_000:06d}-{n % 1_000}" for n in range(PAPERS)]
        self.done: collections.Counter[str] = collections.Counter()
        self.failed: collections.Counter[str] = collections.Counter()
        self.digests = 0

    @property
    def count(self) -> int:
        """Return the number of calls so far."""
        return self.done.total()

    async def run(self) -> None:
        """Send all calls."""
        await asyncio.gather(*(self._work() for _ in range(CALLERS)))

    async def _work(self) -> None:
        kinds, weights = list(MIX), list(MIX.values())
        while self._left > 0:
            self._left -= 1
            if self._left % CALLS_PER_DIGEST == 0:
                await self._counted("digest", self._digest())
            kind = self._random.choices(kinds, weights)[0]
            user = self._idle.pop(self._random.randrange(len(self._idle)))
            await self._counted(kind, getattr(self, f"_{kind}")(user))
            self._idle.append(user)

    async def _counted(self, kind: str, call: Any) -> None:
        try:
            await call
        except grpc.aio.AioRpcError as error:
            self.failed[f"{kind} {error.code().name}"] += 1
        self.done[kind] += 1

    async def _feed(self, user: SimulatedUser) -> None:
        user.request = feed_pb2.GetFeedRequest(user_id=user.user_id, page_size=20, explain=True)
        user.feed = await self._feeds.GetFeed(user.request)

    async def _next_page(self, user: SimulatedUser) -> None:
        if user.feed is None or user.request is None or not user.feed.next_page_token:
            await self._feed(user)
            return
        user.request.page_token = user.feed.next_page_token
        user.feed = await self._feeds.GetFeed(user.request)

    async def _slate(self, user: SimulatedUser) -> None:
        if user.feed is None:
            await self._feed(user)
        else:
            await self._feeds.GetSlate(feed_pb2.GetSlateRequest(slate_id=user.feed.slate.slate_id))

    async def _like(self, user: SimulatedUser) -> None:
        """Like a paper of the last feed or any paper, and remove an older like."""
        shown = [item.paper.paper_id for item in user.feed.slate.items] if user.feed else []
        liked = self._random.choice(shown) if shown and self._random.random() < 0.3 else self._any_paper()
        events = [profile_pb2.Event(user_id=user.user_id, paper_id=liked, event_type=LIKE)]
        user.likes.append(liked)
        if len(user.likes) > 5:
            old = user.likes.popleft()
            events.append(profile_pb2.Event(user_id=user.user_id, paper_id=old, event_type=UNLIKE))
        await self._record(events)

    async def _dismiss(self, user: SimulatedUser) -> None:
        shown = [item.paper.paper_id for item in user.feed.slate.items] if user.feed else []
        dismissed = self._random.choice(shown) if shown else self._any_paper()
        await self._record([profile_pb2.Event(user_id=user.user_id, paper_id=dismissed, event_type=DISMISS)])

    async def _list_likes(self, user: SimulatedUser) -> None:
        await self._profiles.ListLikes(profile_pb2.ListLikesRequest(user_id=user.user_id))

    async def _rank(self, user: SimulatedUser) -> None:
        chosen = self._random.sample(self._papers, CANDIDATES)
        request = feed_pb2.RankPapersRequest(
            user_id=user.user_id, candidate_paper_ids=feed_pb2.PaperIds(paper_ids=chosen), explain=True
        )
        await self._feeds.RankPapers(request)

    async def _profile(self, user: SimulatedUser) -> None:
        await self._profiles.GetProfile(profile_pb2.GetProfileRequest(user_id=user.user_id))

    async def _similar(self, _user: SimulatedUser) -> None:
        await self._feeds.FindSimilarPapers(feed_pb2.FindSimilarPapersRequest(paper_id=self._any_paper()))

    async def _delete(self, user: SimulatedUser) -> None:
        """Delete the user, and create it again with as many likes as at the start."""
        await self._profiles.DeleteUser(profile_pb2.DeleteUserRequest(user_id=user.user_id))
        chosen = self._random.sample(self._papers, LIKES)
        user.likes, user.feed = collections.deque(chosen[-5:]), None
        await self._record(
            [profile_pb2.Event(user_id=user.user_id, paper_id=paper_id, event_type=LIKE) for paper_id in chosen]
        )

    async def _digest(self) -> None:
        """Create a digest of today, mostly of stored papers, with a few new ones for the encoder."""
        self.digests += 1
        new = [
            catalog_pb2.Paper(
                paper_id=f"new-{self.digests}-{i}",
                title=f"New paper {i} of digest {self.digests}",
                abstract=" ".join(self._random.choices(["graph", "protein", "code", "vision", "index"], k=120)),
            )
            for i in range(NEW_PAPERS)
        ]
        await self._catalog.UpsertPapers(catalog_pb2.UpsertPapersRequest(papers=new))
        chosen = self._random.sample(self._papers, CANDIDATES - NEW_PAPERS) + [paper.paper_id for paper in new]
        date = to_date(dt.datetime.now(dt.UTC).date())
        digest = catalog_pb2.Digest(digest_id=f"soak-{self.digests:06d}", date=date, paper_ids=chosen)
        await self._catalog.UpsertDigest(catalog_pb2.UpsertDigestRequest(digest=digest))

    async def _record(self, events: list[profile_pb2.Event]) -> None:
        await self._profiles.RecordEvents(profile_pb2.RecordEventsRequest(events=events))

    def _any_paper(self) -> str:
        return self._random.choice(self._papers)


@dataclass(frozen=True)
class Sample:
    """Memory of the server and of its child processes at one moment, in MB."""

    seconds: float
    calls: int
    server: float
    children: float


async def soak(server: Server, users: int, calls: int) -> tuple[Callers, list[Sample]]:
    """Send the calls and sample the memory meanwhile."""
    samples: list[Sample] = []
    began = time.monotonic()
    async with grpc.aio.insecure_channel(server.address) as channel:
        callers = Callers(channel, users, calls, seed=1)

        def take_sample() -> None:
            samples.append(Sample(time.monotonic() - began, callers.count, *server.resident()))

        async def watch() -> None:
            while True:
                take_sample()
                print(f"{samples[-1].calls} calls: {samples[-1].server:.1f} MB", file=sys.stderr, flush=True)
                await asyncio.sleep(SAMPLE_SECONDS)

        watcher = asyncio.create_task(watch())
        await callers.run()
        watcher.cancel()
        take_sample()
    return callers, samples


def growth(samples: list[Sample], memory: list[float]) -> float:
    """Return the rise in MB, over the second half of the calls, of the line fitted to that half."""
    half = samples[-1].calls / 2
    late = [(each.calls, megabytes) for each, megabytes in zip(samples, memory, strict=True) if each.calls >= half]
    if len(late) < 3:
        return 0.0
    calls, values = np.array(late).T
    return float(np.polyfit(calls, values, 1)[0] * (calls[-1] - calls[0]))


def judged(callers: Callers, samples: list[Sample]) -> list[dict[str, Any]]:
    """Return the entries of the result."""
    grown = growth(samples, [each.server for each in samples])
    children = growth(samples, [each.children for each in samples])
    return [
        figure("server's memory: growth over the second half, MB", round(grown, 2), at_most=GROWTH_MB),
        figure("child processes' memory: growth over the second half, MB", round(children, 2), at_most=GROWTH_MB),
        figure("calls that failed", callers.failed.total(), at_most=0),
    ]


def main() -> int:
    """Print the result; return 1 if memory keeps growing or a call fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.soak")
    parser.add_argument("--calls", type=int, default=200_000, help="calls in all")
    parser.add_argument("--users", type=int, default=600, help="users that call")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/soak.db"
        fill(url, options.users, DEFAULT_MODEL)
        # The encoder's process must not restart, which would hide a leak.
        settings = {"encoder_idle_seconds": 1e6, "encoder_threads": 1, "log_level": "WARNING"}
        with paperfeed(Path(name) / "log", db=url, **settings) as server:
            callers, samples = asyncio.run(soak(server, options.users, options.calls))
    tenths = [samples[min(len(samples) - 1, len(samples) * i // 10)] for i in range(11)]
    details = {
        "calls": dict(callers.done),
        "failed": dict(callers.failed),
        "seconds": round(samples[-1].seconds, 1),
        "memory_mb": [
            {"calls": each.calls, "server": round(each.server, 1), "children": round(each.children, 1)}
            for each in tenths
        ],
    }
    facts = {"calls": options.calls, "readers": options.users}
    return report(judged(callers, samples), as_json=options.json, details=details, **facts)


if __name__ == "__main__":
    sys.exit(main())
