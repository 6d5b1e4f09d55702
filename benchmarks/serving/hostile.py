"""Measure what 16 honest callers notice of hostile ones, what memory these leave behind, and whether the server ends.

    python -m benchmarks.serving.hostile --json            # about three minutes on two idle cores

The honest calls are GetFeed with reasons for 500 users, with 77 candidates and 30 likes, on SQLite. The attacks:

- silent calls: 40 calls without a message on one connection, again each second;
- late messages: 40 calls whose messages come 0.3 seconds after them, again each second;
- silent streams: 50 calls of StreamFeeds for 100 users whose answers nobody reads, again every five seconds;
- rapid reset: 100 calls that are taken back at once, again every 50 milliseconds;
- idle connections: 500 connections without a call.

Then calls come at random times, at 70 % of the rate of the quiet load, while another program locks the database once.

The budgets: no honest call fails, their p99 is at most three times that of a quiet load, memory is at most a tenth
higher after all attacks, no call is refused later than five seconds after the lock, and under all attacks at once the
server ends within its time to drain. This needs Linux, because memory is read from /proc.
"""

import argparse
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from benchmarks.figures import figure, report
from benchmarks.jobs.population import CANDIDATES, LIKES, fill
from benchmarks.serving.driver import METHOD, drive
from benchmarks.serving.processes import paperfeed
from paperfeed.v1.feed_pb2 import GetFeedRequest, StreamFeedsRequest
from service.encoder import DEFAULT_MODEL
from testing.http2 import Http2

USERS = 500
CALLERS = 16
LATENCY_BUDGET, MEMORY_BUDGET = 3.0, 1.1
DRAIN_SECONDS = 20.0
LOCKED_AT, LOCKED_SECONDS = 5.0, 1.2
STREAM_FEEDS = METHOD.replace("GetFeed", "StreamFeeds")
IDS = [f"u{number:08d}" for number in range(USERS)]


def silent_calls(address: str, ended: threading.Event) -> None:
    """Open calls and send nothing more."""
    with Http2(address) as connection:
        for _ in range(40):
            connection.open(METHOD)
        connection.send()
        ended.wait(1)


def late_messages(address: str, ended: threading.Event) -> None:
    """Open calls, and send their messages later."""
    with Http2(address) as connection:
        streams = [connection.open(METHOD) for _ in range(40)]
        connection.send()
        ended.wait(0.3)
        for number, stream in enumerate(streams):
            connection.message(stream, GetFeedRequest(user_id=IDS[number]).SerializeToString())
        connection.send()
        ended.wait(0.7)


def silent_streams(address: str, ended: threading.Event) -> None:
    """Request feeds of many users and read none."""
    with Http2(address) as connection:
        request = StreamFeedsRequest(user_ids=IDS[:100]).SerializeToString()
        for _ in range(50):
            connection.message(connection.open(STREAM_FEEDS), request)
        connection.send()
        ended.wait(5)


def rapid_reset(address: str, ended: threading.Event) -> None:
    """Open calls and take them back at once, until the server closes the connection."""
    with Http2(address) as connection:
        while not ended.wait(0.05):
            for _ in range(100):
                connection.reset(connection.open(METHOD))
            connection.send()


def idle_connections(address: str, ended: threading.Event) -> None:
    """Connect many times and send nothing more."""
    with ExitStack() as connections:
        for _ in range(500):
            connections.enter_context(Http2(address))
        ended.wait()


ATTACKS = (silent_calls, late_messages, silent_streams, rapid_reset, idle_connections)


def again(attack: Callable[[str, threading.Event], None], address: str, ended: threading.Event) -> None:
    """Attack until the event is set. A connection that the server closes is replaced."""
    while not ended.is_set():
        with suppress(OSError):
            attack(address, ended)


def refused_after_lock(address: str, database: Path, rate: float) -> tuple[int, int]:
    """Return how many calls are refused after another program locks the database: soon, and from five seconds on.

    Args:
        rate: Calls a second, at random times.
    """

    def lock() -> None:
        time.sleep(LOCKED_AT)
        with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(LOCKED_SECONDS)

    with ThreadPoolExecutor() as pool:
        locking = pool.submit(lock)
        calls = drive(address, USERS, LOCKED_AT + 20, "rate", rate)
        locking.result()
    later = calls.after(LOCKED_AT + LOCKED_SECONDS + 5).failed
    return calls.failed - later, later


def main() -> int:
    """Print the result; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.hostile")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds of each load")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    found, details = [], {}
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor() as pool:
        url = f"sqlite:///{name}/hostile.db"
        fill(url, USERS, DEFAULT_MODEL)
        with paperfeed(Path(name) / "log", db=url, log_level="ERROR", drain_seconds=DRAIN_SECONDS) as server:
            drive(server.address, USERS, 0, "once", 4)
            quiet = drive(server.address, USERS, options.seconds, "callers", CALLERS)
            before, _ = server.resident()
            for attack in ATTACKS:
                ended, title = threading.Event(), attack.__name__.replace("_", " ")
                running = pool.submit(again, attack, server.address, ended)
                honest = drive(server.address, USERS, options.seconds, "callers", CALLERS)
                ended.set()
                running.result()
                facts = {"failed": honest.failed, "p50_ms": round(honest.percentile(50), 1), "calls": len(honest.calls)}
                p99, floor = honest.percentile(99), quiet.percentile(99)
                found.append(figure(f"p99 beside {title}, ms", p99, floor, at_most=LATENCY_BUDGET, **facts))
                details[title] = honest.outcomes
            found.append(figure("failed honest calls", sum(each["failed"] for each in found), at_most=0))
            drive(server.address, USERS, options.seconds, "callers", CALLERS)
            after, _ = server.resident()
            found.append(figure("memory after the attacks, MB", after, before, at_most=MEMORY_BUDGET))
            rate = 0.7 * len(quiet.calls) / options.seconds
            soon, later = refused_after_lock(server.address, Path(name) / "hostile.db", rate)
            found.append(figure("refused from 5 s after a lock of the database", later, at_most=0, refused_before=soon))
            ended = threading.Event()
            for attack in ATTACKS:
                pool.submit(again, attack, server.address, ended)
            time.sleep(2)
            start = time.monotonic()
            server.process.terminate()
            server.process.wait(4 * DRAIN_SECONDS)
            found.append(figure("seconds until the end", time.monotonic() - start, at_most=DRAIN_SECONDS))
            ended.set()
    setting = {"users": USERS, "callers": CALLERS, "candidates": CANDIDATES, "likes": LIKES}
    return report(found, as_json=options.json, details={"ended": details}, **setting)


if __name__ == "__main__":
    sys.exit(main())
