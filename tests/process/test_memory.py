"""Memory does not grow with the number of calls. ``benchmarks/serving/soak.py`` runs a hundred times longer."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from paperfeed.v1 import feed_pb2, profile_pb2
from tests.process.running import running
from tests.process.samples import fill, likes
from tests.requirements import require

CALLERS = 4
ROUNDS = 80
# 640 slates of 40 items with features and reasons are some 15 MB; the allocator's noise is a few.
GROWTH_MB = 12.0


@pytest.mark.slow
def test_calls_leave_nothing_behind(sqlite_url: str, hashing_bundle: Path, tmp_path: Path) -> None:
    """Twice as many feeds, slates, likes and deletions for the same users take no more memory."""
    require("proc", Path("/proc/self/maps").exists(), "needs /proc, which Linux has")
    with running(tmp_path, sqlite_url, bundle=hashing_bundle, threads=2) as server, server.client() as client:
        paper_ids = fill(client)

        def work(caller: int) -> None:
            for number in range(ROUNDS):
                user_id = f"user-{caller}-{number % 10}"
                client.profiles.RecordEvents(likes(user_id, [paper_ids[number % 10], paper_ids[10 + number % 10]]))
                feed = client.feeds.GetFeed(feed_pb2.GetFeedRequest(user_id=user_id, explain=True)).slate
                client.feeds.GetSlate(feed_pb2.GetSlateRequest(slate_id=feed.slate_id))
                if number % 10 == 9:
                    client.profiles.DeleteUser(profile_pb2.DeleteUserRequest(user_id=user_id))

        def resident() -> float:
            with ThreadPoolExecutor(CALLERS) as pool:
                list(pool.map(work, range(CALLERS)))
            return psutil.Process(server.process.pid).memory_info().rss / 1e6

        warm, *later = [resident() for _ in range(3)]
    assert later[-1] - warm < GROWTH_MB, (warm, later)
