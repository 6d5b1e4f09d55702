"""SIGTERM: the server answers the calls that it has accepted, and refuses later ones with UNAVAILABLE."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from paperfeed.client import Client
from paperfeed.v1 import catalog_pb2, feed_pb2, feed_pb2_grpc, profile_pb2_grpc
from service.api.health import MAX_WATCHES
from testing.calls import rank_request
from testing.http2 import Http2
from tests.process.running import WAIT_SECONDS, Server, eventually, running
from tests.process.samples import fill, likes, papers

CALLERS = 16
CALLS_BEFORE_STOP = 3
"""Every caller has this many answers before SIGTERM is sent."""
REACHED_SECONDS = 0.5
"""A call that began this long before SIGTERM has reached the server, on a busy machine too."""
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
WATCH, CHECK = "/grpc.health.v1.Health/Watch", "/grpc.health.v1.Health/Check"
FEED, STREAM = "/paperfeed.v1.FeedService/GetFeed", "/paperfeed.v1.FeedService/StreamFeeds"


def ask(connection: Http2) -> None:
    """Make one call of each kind."""
    feed = feed_pb2.GetFeedRequest(user_id="ada").SerializeToString()
    stream = feed_pb2.StreamFeedsRequest(user_ids=["ada"]).SerializeToString()
    for path, request in ((WATCH, b""), (CHECK, b""), (FEED, feed), (STREAM, stream)):
        connection.message(connection.open(path), request)
    connection.send()


@dataclass
class Caller:
    """Calls again and again, on its own channel and without retries, until a call fails."""

    server: Server
    number: int
    paper_ids: list[str]
    answered: dict[str, tuple[float, float]] = field(default_factory=dict)
    failed: dict[str, tuple[float, grpc.StatusCode, str]] = field(default_factory=dict)

    def run(self) -> None:
        """Make one call at a time."""
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
        rank = rank_request(liked_paper_ids=self.paper_ids[:20], candidate_papers=papers(150, prefix="c"))
        slow, feed, record = (
            (feeds.RankPapers, rank),
            (feeds.GetFeed, feed_pb2.GetFeedRequest(user_id=user_id, explain=True)),
            (profiles.RecordEvents, likes(user_id, self.paper_ids[:10])),
        )
        stub, request = (slow, slow, feed, record)[self.number % 4]
        return lambda **options: stub(request, **options)


def work_until_stopped(server: Server, paper_ids: list[str]) -> tuple[list[Caller], float]:
    """Send SIGTERM while sixteen callers are at work; return them after their end, and when it was sent."""
    callers = [Caller(server, number, paper_ids) for number in range(CALLERS)]
    threads = [threading.Thread(target=caller.run) for caller in callers]
    for thread in threads:
        thread.start()
    assert eventually(lambda: all(len(caller.answered) >= CALLS_BEFORE_STOP for caller in callers))
    stopped_at = time.monotonic()
    server.terminate()
    for thread in threads:
        thread.join(timeout=WAIT_SECONDS)
        assert not thread.is_alive()
    return callers, stopped_at


@pytest.mark.serial
@pytest.mark.slow
@pytest.mark.parametrize(("threads", "workers"), [(16, 1), (2, 1), (4, 2)])
def test_accepted_calls_are_answered(sqlite_url: str, tmp_path: Path, threads: int, workers: int) -> None:
    """Every call that the server accepted before SIGTERM is answered; later calls get UNAVAILABLE."""
    with running(tmp_path, sqlite_url, threads=threads, workers=workers) as server:
        with server.client() as client:
            paper_ids = fill(client)
        callers, stopped_at = work_until_stopped(server, paper_ids)
        assert server.ended() == 0
        handled = server.calls()

    answered = {request_id: times for caller in callers for request_id, times in caller.answered.items()}
    failed = {request_id: failure for caller in callers for request_id, failure in caller.failed.items()}
    assert {code for _, code, _ in failed.values()} == {UNAVAILABLE}, failed
    # Every call that reached a handler was answered, and nothing else was.
    seen_by_server = {request_id for request_id in handled if request_id.startswith("caller-")}
    assert seen_by_server == set(answered)
    assert {handled[request_id] for request_id in answered} == {"OK"}
    assert [began for began, _, _ in failed.values() if began < stopped_at - REACHED_SECONDS] == []
    # The test means something only if calls were at work when SIGTERM was sent.
    assert sum(began < stopped_at < ended for began, ended in answered.values()) >= 2


@pytest.mark.slow
def test_retries_survive_a_restart(sqlite_url: str, tmp_path: Path) -> None:
    """Callers with the project's client do not notice that a server is stopped and started again on its port."""
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

    def all_go_on(before: list[int]) -> bool:
        return bool(problems) or all(late > early for early, late in zip(before, counts, strict=True))

    with running(tmp_path, sqlite_url) as first:
        client = first.client()
        paper_ids = fill(client)
        threads = [threading.Thread(target=call, args=(client, i, paper_ids)) for i in range(len(counts))]
        for thread in threads:
            thread.start()
        assert eventually(lambda: all_go_on([0] * len(counts)))
        first.terminate()
        assert first.ended() == 0
        with running(tmp_path, sqlite_url, port=first.port):
            before = list(counts)
            went_on = eventually(lambda: all_go_on(before))
            stop.set()
            for thread in threads:
                thread.join(timeout=WAIT_SECONDS)
        client.close()
    assert problems == []
    assert went_on


@pytest.mark.slow
def test_health_and_new_connections_while_draining(sqlite_url: str, tmp_path: Path) -> None:
    """A connection made after SIGTERM is refused, while calls accepted before still get their answers."""
    with running(tmp_path, sqlite_url, threads=1) as server, server.client() as client:
        paper_ids = fill(client)
        requests = [
            rank_request(liked_paper_ids=paper_ids, candidate_papers=papers(1000, prefix=f"slow{i}-")) for i in range(6)
        ]
        slow = [client.feeds.RankPapers.future(request) for request in requests]
        # With one thread the calls are worked off in their order: when one is done, the others have been accepted.
        assert eventually(lambda: any(call.done() for call in slow))
        server.terminate()
        assert eventually(lambda: bool(server.messages("draining")))
        still_at_work = not all(call.done() for call in slow)
        with grpc.insecure_channel(server.address) as late, pytest.raises(grpc.RpcError) as caught:
            feed_pb2_grpc.FeedServiceStub(late).GetFeed(feed_pb2.GetFeedRequest(user_id="u"), timeout=10)
        answers = [call.result() for call in slow]
        assert server.ended() == 0
    assert caught.value.code() is UNAVAILABLE
    assert [len(answer.items) for answer in answers] == [1000] * len(requests)
    assert still_at_work


@pytest.mark.slow
def test_calls_that_a_drain_cuts_are_reported(sqlite_url: str, tmp_path: Path) -> None:
    """A stream that outlasts the drain is logged as CANCELLED, and the log says how many calls were cut."""
    with running(tmp_path, sqlite_url, drain_seconds=0.2) as server, server.client() as client:
        fill(client)
        users = [f"u{i}" for i in range(10_000)]
        answers = client.feeds.StreamFeeds(feed_pb2.StreamFeedsRequest(user_ids=users, limit=100, explain=True))
        next(answers)
        server.terminate()
        code, log = server.ended(), server.log()

    assert code == 0
    assert [entry["code"] for entry in log if entry.get("method") == "FeedService/StreamFeeds"] == ["CANCELLED"]
    assert [entry["calls"] for entry in log if entry["message"].startswith("accepted calls were cut")] == [1]


def test_clients_that_take_nothing_keep_no_server_alive(sqlite_url: str, tmp_path: Path) -> None:
    """While clients take no answer, a drain ends in its time, and others hear that the server is not serving."""
    with running(tmp_path, sqlite_url, drain_seconds=2) as server:
        with server.client() as client:
            fill(client)
        with Http2(server.address, takes=False) as connection, grpc.insecure_channel(server.address) as channel:
            ask(connection)
            stub = health_pb2_grpc.HealthStub(channel)
            watches = [stub.Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(MAX_WATCHES)]
            first = {next(states).status for states in watches}
            stopped_at = time.monotonic()
            server.terminate()
            last = {next(states).status for states in watches}
            code = server.ended()

    assert (first, last) == ({SERVING}, {NOT_SERVING})
    assert code == 0
    assert time.monotonic() - stopped_at < 20


def test_clients_that_take_nothing_and_leave(sqlite_url: str, tmp_path: Path) -> None:
    """Their calls end after the time limit, or when they leave, and the log has no traceback."""
    with running(tmp_path, sqlite_url, stall_seconds=0.3) as server:

        def ended_streams() -> int:
            return sum(entry.get("reason") == "CLIENT_TOO_SLOW" for entry in server.messages("call"))

        with server.client() as client:
            fill(client)
        for turn in range(10):
            with Http2(server.address, takes=False) as connection:
                ask(connection)
                assert eventually(lambda least=turn + 1: ended_streams() == least)  # type: ignore[misc]
        server.terminate()
        code, log = server.ended(), server.log_path.read_text()

    assert code == 0
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        (signal.SIGTERM, 1),
        pytest.param(signal.SIGHUP, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 2, marks=pytest.mark.slow),
    ],
)
def test_idle_server_ends_at_once(
    sqlite_url: str, tmp_path: Path, number: int, workers: int, request: pytest.FixtureRequest
) -> None:
    """SIGTERM, or a closed terminal (SIGHUP), ends an idle server without waiting for the drain time."""
    # Under nohup SIGHUP is ignored, and the server would inherit that.
    before = signal.signal(number, signal.SIG_DFL)
    request.addfinalizer(lambda: signal.signal(number, before))
    with running(tmp_path, sqlite_url, workers=workers, drain_seconds=3600) as server:
        server.process.send_signal(number)
        assert server.ended() == 0
        log = [entry["message"] for entry in server.log()]

    assert log.count("draining") == workers
    assert log[-1] == "stopped"
    assert log.count("stopped") == workers
