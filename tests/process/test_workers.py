"""``paperfeed serve --workers``: several server processes on one port."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from paperfeed.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    feed_pb2,
    feed_pb2_grpc,
    profile_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
)
from paperfeed.v1.model_pb2 import PromoteModelRequest, RollbackModelRequest
from service.encoder import HashingEncoder
from testing.bundles import model_text, write_tiny_bundle
from testing.models import register, version_of
from tests.cli.command import Run
from tests.process.running import ROOT, WAIT_SECONDS, Server, command, eventually, running, settings
from tests.process.samples import fill, likes, papers
from tests.requirements import require

WORKERS = 2
# Well below the 15 seconds after which the embedding process looks by itself.
SOON_SECONDS = 8.0
QUICK = "tests.process.quick_restarts"


@pytest.fixture(autouse=True)
def linux() -> None:
    require("proc", Path("/proc/self/maps").exists(), "needs Linux, which spreads connections over processes")


@dataclass(frozen=True)
class Connection:
    """A connection of its own, which stays with one process."""

    channel: grpc.Channel

    @property
    def status(self) -> status_pb2.GetStatusResponse:
        stub = status_pb2_grpc.StatusServiceStub(self.channel)
        return stub.GetStatus(status_pb2.GetStatusRequest(), timeout=20)

    def feed(self, user_id: str, **options: object) -> feed_pb2.GetFeedResponse:
        request = feed_pb2.GetFeedRequest(user_id=user_id, explain=True, **options)
        return feed_pb2_grpc.FeedServiceStub(self.channel).GetFeed(request, timeout=20)


@contextlib.contextmanager
def connections(server: Server) -> Iterator[list[Connection]]:
    """Yield a connection to each worker, in the order of their numbers."""
    found: dict[int, Connection] = {}
    with contextlib.ExitStack() as stack:
        give_up_at = time.monotonic() + WAIT_SECONDS
        while len(found) < WORKERS:
            assert time.monotonic() < give_up_at, f"only {sorted(found)} of {WORKERS} workers answer"
            options = [("grpc.use_local_subchannel_pool", 1)]
            each = Connection(stack.enter_context(grpc.insecure_channel(server.address, options=options)))
            # The connection may have been made to a process that was killed before it answered.
            with contextlib.suppress(grpc.RpcError):
                found.setdefault(each.status.worker, each)
        yield [found[number] for number in sorted(found)]


def children(server: Server) -> list[psutil.Process]:
    """Return the worker processes, oldest first; the hashing encoder has none of its own."""
    try:
        return sorted(psutil.Process(server.process.pid).children(), key=lambda process: process.create_time())
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize(
    "db_url", ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])], indirect=True
)
def test_processes_are_one_service(db_url: str, tmp_path: Path) -> None:
    """Each process is healthy and says its number; what one stores, the other knows at the next call."""
    with running(tmp_path, db_url, workers=WORKERS) as server:
        with server.client() as client:
            paper_ids = fill(client)
        with connections(server) as (first, second):
            places = [(each.status.worker, each.status.worker_count) for each in (first, second)]
            health = [
                health_pb2_grpc.HealthStub(each.channel).Check(health_pb2.HealthCheckRequest(), timeout=20).status
                for each in (first, second)
            ]
            profile_pb2_grpc.ProfileServiceStub(first.channel).RecordEvents(likes("user", paper_ids[:5]))
            # Both have the user in memory now.
            first.feed("user")
            page = second.feed("user", page_size=10)
            next_page = first.feed("user", page_size=10, page_token=page.next_page_token)
            whole = (
                feed_pb2_grpc.FeedServiceStub(first.channel)
                .GetSlate(feed_pb2.GetSlateRequest(slate_id=page.slate.slate_id, page_size=100), timeout=20)
                .slate
            )
            liked = page.slate.items[0].paper.paper_id
            profile_pb2_grpc.ProfileServiceStub(first.channel).RecordEvents(likes("user", [liked]))
            after = second.feed("user")
            counted = [{call.method: call.count for call in each.status.calls} for each in (first, second)]

        process_count = len(children(server))
        server.terminate()
        assert server.ended() == 0
        served = [entry for entry in server.log() if entry["message"] == "serving"]
    assert places == [(1, WORKERS), (2, WORKERS)]
    assert health == [health_pb2.HealthCheckResponse.SERVING] * WORKERS
    shown = [item.paper.paper_id for item in (*page.slate.items, *next_page.slate.items)]
    assert shown == [item.paper.paper_id for item in whole.items][:20]
    assert liked not in {item.paper.paper_id for item in after.slate.items}
    assert (counted[0]["FeedService/GetFeed"], counted[1]["FeedService/GetFeed"]) == (2, 2)
    assert process_count == WORKERS
    assert sorted(entry["worker"] for entry in served) == [1, 2]
    assert {entry["port"] for entry in served} == {server.port}


@pytest.mark.slow
def test_new_text_is_embedded_soon(sqlite_url: str, tmp_path: Path) -> None:
    """Papers sent to a process that does not embed soon get their vectors from the process that does."""
    with running(tmp_path, sqlite_url, workers=WORKERS) as server, connections(server) as (_, second):
        catalog = catalog_pb2_grpc.CatalogServiceStub(second.channel)
        catalog.UpsertPapers(catalog_pb2.UpsertPapersRequest(papers=papers(3)), timeout=20)

        def is_ready() -> bool:
            paper = catalog.GetPaper(catalog_pb2.GetPaperRequest(paper_id="p2"), timeout=20).paper
            return paper.embedding_state == catalog_pb2.EMBEDDING_STATE_READY

        assert eventually(is_ready, SOON_SECONDS)


@pytest.mark.slow
def test_every_process_swaps_bundles(sqlite_url: str, tmp_path: Path) -> None:
    """A bundle that one process promotes is soon served by all; one rollback takes it back everywhere."""
    text, registry = model_text(), tmp_path / "registry"
    folders = [tmp_path / recipe for recipe in ("first", "second")]
    for folder in folders:
        write_tiny_bundle(folder, encoder_name=HashingEncoder.name, model_text=text, recipe=folder.name)
    old, new = map(version_of, folders)
    with (
        running(tmp_path, sqlite_url, workers=WORKERS, bundle=folders[0], registry=registry) as server,
        server.client() as client,
        connections(server) as workers,
    ):

        def all_serve(version: str) -> bool:
            return all(each.status.model_version == version for each in workers)

        assert all_serve(old)
        register(client, registry, folders[1])
        client.models.PromoteModel(PromoteModelRequest(model_version=new, force=True))
        assert eventually(lambda: all_serve(new))
        client.models.RollbackModel(RollbackModelRequest(from_model_version=new))
        assert eventually(lambda: all_serve(old))


@pytest.mark.slow
def test_killed_process_is_replaced(db_url: str, tmp_path: Path) -> None:
    """After kill -9 of each process in turn, callers with the project's client notice nothing; both are replaced."""
    counts, problems, stop = [0] * 6, list[str](), threading.Event()

    with running(tmp_path, db_url, workers=WORKERS) as server:
        with server.client() as client:
            paper_ids = fill(client)

        def call(number: int) -> None:
            with server.client() as own:
                while not stop.is_set():
                    try:
                        own.profiles.RecordEvents(likes(f"user-{number}", paper_ids[:3]))
                        own.feeds.GetFeed(feed_pb2.GetFeedRequest(user_id=f"user-{number}"))
                    except grpc.RpcError as error:
                        problems.append(f"{error.code().name}: {error.details()}")
                        return
                    counts[number] += 1
                    # Callers without a pause would take the processors from the servers that start again.
                    stop.wait(0.05)

        def all_go_on(before: list[int]) -> bool:
            return bool(problems) or all(late > early for early, late in zip(before, counts, strict=True))

        threads = [threading.Thread(target=call, args=(number,)) for number in range(len(counts))]
        for thread in threads:
            thread.start()
        assert eventually(lambda: all_go_on([0] * len(counts)))
        before = children(server)
        for victim in before:
            victim.kill()
            assert eventually(lambda victim=victim: len(children(server)) == WORKERS and victim not in children(server))
            with connections(server) as found:
                assert len(found) == WORKERS
        late = list(counts)
        went_on = eventually(lambda: all_go_on(late))
        stop.set()
        for thread in threads:
            thread.join(timeout=WAIT_SECONDS)
            assert not thread.is_alive()
        replaced = {process.pid for process in children(server)}.isdisjoint({process.pid for process in before})
        ended = server.messages("worker ended; starting it again")
    assert problems == []
    assert went_on
    assert replaced
    assert [(entry["ended"], entry["exit_code"]) for entry in ended] == [(1, -signal.SIGKILL), (2, -signal.SIGKILL)]


@pytest.mark.slow
def test_dying_again_and_again_is_given_up(sqlite_url: str, tmp_path: Path) -> None:
    """A process that dies soon after each start ends the service with exit code 1 and a line that says so."""
    with running(tmp_path, sqlite_url, module=QUICK, workers=WORKERS) as server:
        first, _ = children(server)
        while server.process.poll() is None:
            for victim in children(server):
                if victim != first:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        victim.kill()
            time.sleep(0.05)
        code, log = server.ended(), server.log_path.read_text()
        alive = first.is_running()
    assert code == 1
    last = "server process 2 ended with exit code -9, 3 times in a row without 30 seconds of service; giving up"
    assert f"paperfeed: {last}" in log
    assert not alive


def limit_files(server: Server, count: int) -> None:
    """Limit the open files and pipes of the supervisor; with none left it can start no process."""
    process = psutil.Process(server.process.pid)
    process.rlimit(psutil.RLIMIT_NOFILE, (count, process.rlimit(psutil.RLIMIT_NOFILE)[1]))


def not_started(server: Server) -> list[dict[str, object]]:
    """Return the log entries of starts that failed."""
    return server.messages("worker could not be started; trying again")


@pytest.mark.slow
def test_a_start_that_fails_is_tried_again(sqlite_url: str, tmp_path: Path) -> None:
    """If a dead process cannot be replaced for want of files, the other serves on; it is replaced when it can be."""
    # The default policy: the pauses between starts leave time to raise the limit before the service gives up.
    with running(tmp_path, sqlite_url, workers=WORKERS) as server:
        first, victim = children(server)
        limit_files(server, 3)
        victim.kill()
        assert eventually(lambda: len(not_started(server)) >= 2)
        limit_files(server, 1_000)
        with connections(server) as found:
            assert len(found) == WORKERS
        served_on = first.is_running()
        failed = not_started(server)
    assert served_on
    assert {(entry["ended"], entry["problem"]) for entry in failed} == {(2, "Too many open files")}
    assert [entry["after_seconds"] for entry in failed[:2]] == [1.0, 2.0]


@pytest.mark.slow
def test_starts_that_fail_again_and_again_are_given_up(sqlite_url: str, tmp_path: Path) -> None:
    """If a dead process can never be replaced, the service ends with exit code 1 and a line that says so."""
    with running(tmp_path, sqlite_url, module=QUICK, workers=WORKERS) as server:
        first, victim = children(server)
        limit_files(server, 3)
        victim.kill()
        code = server.ended()
        log, alive = server.log_path.read_text(), first.is_running()
    assert code == 1
    last = "server process 2 could not be started (Too many open files), 3 times in a row without 30 seconds of service"
    assert f"paperfeed: {last}; giving up" in log
    assert not alive


@pytest.mark.slow
def test_workers_end_with_their_supervisor(sqlite_url: str, tmp_path: Path) -> None:
    """If the supervisor is killed, its workers end by themselves."""
    with running(tmp_path, sqlite_url, workers=WORKERS) as server:
        left = children(server)
        server.kill()
        assert eventually(lambda: not any(process.is_running() for process in left))


@pytest.mark.slow
def test_port_is_not_shared_with_strangers(sqlite_url: str, tmp_path: Path, paperfeed: Run) -> None:
    """A second server on the port is refused, whether each of the two has one process or several."""
    done = []
    for workers in (WORKERS, 1):
        with running(tmp_path, sqlite_url, workers=workers) as server:
            done += [paperfeed("serve", "--port", server.port, "--workers", count) for count in (1, WORKERS)]
    assert [each.code for each in done] == [2] * 4
    assert all(each.err.startswith("paperfeed: port: cannot listen on 127.0.0.1:") for each in done)
    assert {each.out for each in done} == {""}


@pytest.mark.slow
def test_failing_start() -> None:
    """If no worker can start, one worker's message is shown once, and the exit code is that of a single server."""
    done = subprocess.run(
        command("serve", "--port", 0, "--workers", WORKERS),
        env=settings(db="postgresql://somebody:hush-hush@127.0.0.1:1/none?connect_timeout=2"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.count("the database is not available") == 1
    assert "server process 1 ended with exit code 1; giving up" in done.stderr
    assert "hush-hush" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_a_lost_database_is_not_made_anew(sqlite_url: str, tmp_path: Path) -> None:
    """If the file is gone, a process that starts again waits for it and makes no empty one."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with running(tmp_path, sqlite_url, module=QUICK, workers=WORKERS) as server:
        path.rename(path.with_suffix(".away"))
        for victim in children(server):
            victim.kill()
        problem = "and other processes may still have the old one open"
        assert eventually(lambda: server.log_path.read_text().count(problem) >= 2 * WORKERS)
        was_made, is_running = path.exists(), server.process.poll() is None
        path.with_suffix(".away").rename(path)
        with connections(server) as found:
            assert len(found) == WORKERS

    assert (was_made, is_running) == (False, True)


@pytest.mark.slow
def test_waiting_for_the_database_is_no_failure(sqlite_url: str, tmp_path: Path) -> None:
    """However often a process finds no database, the other processes serve on."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with running(tmp_path, sqlite_url, module=QUICK, workers=WORKERS) as server:
        first, second = children(server)
        path.rename(path.with_suffix(".away"))
        second.kill()
        problem = "the database does not answer; starting the worker again later"
        assert eventually(lambda: len(server.messages(problem)) > 3)

        assert first.is_running()
