"""SIGTERM: what was accepted is answered, what comes later is told to come again."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1 import catalog_pb2, feed_pb2, feed_pb2_grpc, profile_pb2_grpc
from tests.process.running import Server, running
from tests.process.samples import fill, likes, papers

CALLERS = 16
WORKING_SECONDS = 1.5
# A call that began this long before SIGTERM has reached the server, on a busy machine too.
REACHED_SECONDS = 0.5
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@dataclass
class Caller:
    """Calls again and again on a channel of its own without retries, until a call fails."""

    server: Server
    number: int
    paper_ids: list[str]
    answered: dict[str, tuple[float, float]] = field(default_factory=dict)
    failed: dict[str, tuple[float, grpc.StatusCode, str]] = field(default_factory=dict)

    def run(self) -> None:
        """Begins a call at a time."""
        # Without a pool of its own the channel would share one connection with the other callers'.
        options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self.server.address, options=options) as channel:
            call = self._call(channel)
            while not self.failed:
                request_id = f"caller-{self.number}-{len(self.answered)}"
                began = time.monotonic()
                try:
                    call(metadata=(("x-request-id", request_id),), timeout=30)
                except grpc.RpcError as error:
                    self.failed[request_id] = (began, error.code(), error.details())
                else:
                    self.answered[request_id] = (began, time.monotonic())

    def _call(self, channel: grpc.Channel) -> Callable[..., Any]:
        user_id = f"user-{self.number}"
        feeds, profiles = feed_pb2_grpc.FeedServiceStub(channel), profile_pb2_grpc.ProfileServiceStub(channel)
        rank = feed_pb2.RankPapersRequest(liked_paper_ids=self.paper_ids[:20], candidate_papers=papers(150, prefix="c"))
        slow, feed, record = (
            (feeds.RankPapers, rank),
            (feeds.GetFeed, feed_pb2.GetFeedRequest(user_id=user_id, explain=True)),
            (profiles.RecordEvents, likes(user_id, self.paper_ids[:10])),
        )
        stub, request = (slow, slow, feed, record)[self.number % 4]
        return lambda **options: stub(request, **options)


def work_until_stopped(server: Server, paper_ids: list[str]) -> tuple[list[Caller], float]:
    """SIGTERM while sixteen callers are at work; gives them after their end, and when it was sent."""
    callers = [Caller(server, number, paper_ids) for number in range(CALLERS)]
    threads = [threading.Thread(target=caller.run) for caller in callers]
    for thread in threads:
        thread.start()
    time.sleep(WORKING_SECONDS)
    stopped_at = time.monotonic()
    server.terminate()
    for thread in threads:
        thread.join(timeout=40)
        assert not thread.is_alive()
    return callers, stopped_at


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "workers"), [(16, 1), (2, 1), (4, 2)])
def test_accepted_calls_are_answered(sqlite_url: str, tmp_path: Path, threads: int, workers: int) -> None:
    """No call that the server accepted before SIGTERM fails, at work or waiting; later ones get UNAVAILABLE."""
    with running(tmp_path, sqlite_url, threads=threads, workers=workers) as server:
        with server.client() as client:
            paper_ids = fill(client)
        callers, stopped_at = work_until_stopped(server, paper_ids)
        assert server.ended() == 0
        handled = server.calls()

    answered = {request_id: times for caller in callers for request_id, times in caller.answered.items()}
    failed = {request_id: failure for caller in callers for request_id, failure in caller.failed.items()}
    assert {code for _, code, _ in failed.values()} == {UNAVAILABLE}, failed
    # Whatever reached a handler reached its caller too.
    seen_by_server = {request_id for request_id in handled if request_id.startswith("caller-")}
    assert seen_by_server == set(answered)
    assert {handled[request_id] for request_id in answered} == {"OK"}
    assert [began for began, _, _ in failed.values() if began < stopped_at - REACHED_SECONDS] == []
    # The test means something only if calls were at work at that moment.
    assert sum(began < stopped_at < ended for began, ended in answered.values()) >= 2


@pytest.mark.slow
def test_retries_survive_a_restart(sqlite_url: str, tmp_path: Path) -> None:
    """Callers with the project's client notice nothing of a server that is stopped and started on its port."""
    problems: list[str] = []
    counts = [0] * 4
    stop = threading.Event()

    def call(client: Client, number: int, paper_ids: list[str]) -> None:
        while not stop.is_set():
            try:
                client.profiles.RecordEvents(likes(f"user-{number}", paper_ids[:3]))
                client.catalog.GetPaper(catalog_pb2.GetPaperRequest(paper_id=paper_ids[0]))
            except grpc.RpcError as error:
                problems.append(f"{error.code().name}: {error.details()}")
                return
            counts[number] += 1

    with running(tmp_path, sqlite_url) as first:
        client = first.client()
        paper_ids = fill(client)
        threads = [threading.Thread(target=call, args=(client, i, paper_ids)) for i in range(len(counts))]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        first.terminate()
        assert first.ended() == 0
        with running(tmp_path, sqlite_url, port=first.port):
            before = list(counts)
            time.sleep(1.5)
            stop.set()
            for thread in threads:
                thread.join(timeout=40)
            after = list(counts)
        client.close()
    assert problems == []
    assert all(late > early for early, late in zip(before, after, strict=True))


@pytest.mark.slow
def test_health_and_new_connections_while_draining(sqlite_url: str, tmp_path: Path) -> None:
    """A connection made after SIGTERM is refused, while a call accepted before still gets its answer."""
    with running(tmp_path, sqlite_url, threads=1) as server:
        with server.client() as client:
            paper_ids = fill(client)
            requests = [
                feed_pb2.RankPapersRequest(liked_paper_ids=paper_ids, candidate_papers=papers(1000, prefix=f"slow{i}-"))
                for i in range(6)
            ]
            slow = [client.feeds.RankPapers.future(request) for request in requests]
            time.sleep(REACHED_SECONDS)
            server.terminate()
            time.sleep(REACHED_SECONDS)
            still_at_work = not all(call.done() for call in slow)
            with grpc.insecure_channel(server.address) as late, pytest.raises(grpc.RpcError) as caught:
                feed_pb2_grpc.FeedServiceStub(late).GetFeed(feed_pb2.GetFeedRequest(user_id="u"), timeout=10)
            answers = [call.result() for call in slow]
        assert server.ended() == 0
    assert caught.value.code() is UNAVAILABLE
    assert [len(answer.items) for answer in answers] == [1000] * len(requests)
    assert still_at_work


def test_idle_server_ends_at_once(sqlite_url: str, tmp_path: Path) -> None:
    """Without calls at work SIGTERM ends the server well before the drain time, with exit code 0."""
    with running(tmp_path, sqlite_url) as server:
        began = time.monotonic()
        server.terminate()
        assert server.ended() == 0
        assert time.monotonic() - began < 5
        assert [entry["message"] for entry in server.log()][-2:] == ["draining", "stopped"]


def test_calls_that_a_drain_cuts_are_told(sqlite_url: str, tmp_path: Path) -> None:
    """A stream that outlasts the drain is logged as CANCELLED, and the log says how many calls were cut."""
    with running(tmp_path, sqlite_url, drain_seconds=0.2) as server, server.client() as client:
        fill(client)
        users = [f"u{i}" for i in range(10_000)]
        answers = client.feeds.StreamFeeds(feed_pb2.StreamFeedsRequest(user_ids=users, page_size=100, explain=True))
        next(answers)
        server.terminate()
        code, log = server.ended(), server.log()

    assert code == 0
    assert [entry["code"] for entry in log if entry.get("method") == "FeedService/StreamFeeds"] == ["CANCELLED"]
    assert [entry["calls"] for entry in log if entry["message"].startswith("accepted calls were cut")] == [1]


@pytest.mark.parametrize("workers", [1, 2])
def test_closed_terminal_drains(sqlite_url: str, tmp_path: Path, workers: int) -> None:
    """SIGHUP ends a server as SIGTERM does."""
    with running(tmp_path, sqlite_url, workers=workers) as server:
        server.process.send_signal(signal.SIGHUP)
        code = server.ended()
        stopped = [entry for entry in server.log() if entry["message"] == "stopped"]

    assert code == 0
    assert len(stopped) == workers
