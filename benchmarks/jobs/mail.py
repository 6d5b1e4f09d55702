"""Measure the speed of a mail run, and the damage of twenty kills.

    python -m benchmarks.jobs.mail --json

The measured run has 10,000 subscribers. The runs that are killed have 2,000, first with one mailer and then with two. A
real feed service (hashing encoder, 77 papers) runs in one process, the SMTP server in another, both on loopback. The
time is that of a whole run: rank and stream feeds, render, store and send issues, and report them to the service. A
further run sends 1,000 weekly subscribers one issue of seven digests each.
"""

import argparse
import datetime as dt
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import figure, report
from benchmarks.serving.processes import resident_megabytes
from mailer.clock import SystemClock
from mailer.config import MailSettings
from mailer.issues.message import Draft, compose
from mailer.links import Links
from mailer.run import MailRun
from mailer.service import FeedService
from mailer.storage import MailStore, open_store, schema, subscribers
from paperfeed.client import Client
from testing.mailer.builders import feed, subscriber
from testing.mailer.feed_service import add_digest, feed_service, like, papers
from testing.mailer.killing import CONNECTIONS, damage, kill_often, logging_server

BUDGET_PER_SECOND = 100.0
WEEKLY_SECONDS = 60.0
WEEK = 7
"""Number of digests in a weekly issue."""
MEMORY_MIB = 32
"""Limit of the growth after a quarter of the run: memory must not depend on the number of subscribers."""


def rendering(count: int) -> float:
    """Return the messages a second of composing alone, on one thread."""
    settings = MailSettings.read({}, base_url="https://mail.example.org")
    links, shown, now = Links(b"k" * 32, settings.base_url), feed(count=10), SystemClock().now()
    began = time.perf_counter()
    for number in range(count):
        draft = Draft(f"i{number}", (now.date(),), shown)
        compose(draft, subscriber(number), settings, links, now)
    return count / (time.perf_counter() - began)


def whole(folder: Path, count: int) -> dict[str, Any]:
    """Run the mailer once for all subscribers; return outcomes, speed, memory and the damage in the server's log."""
    with sending(folder, count) as (store, feeds, settings):
        result = timed(store, feeds, settings)
    return {**result, "log": asdict(damage(folder / "smtp.log", count))}


def weekly(folder: Path, count: int) -> dict[str, Any]:
    """Run the mailer for subscribers who missed the digests of a week; return outcomes, seconds, speed and memory."""
    with sending(folder, count, days_ago=WEEK) as (store, feeds, settings):
        timed(store, feeds, settings)
        with Client(settings.server) as client:
            for day in range(WEEK):
                date = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=WEEK - 1 - day)
                add_digest(client, f"day{day}", date, papers(f"d{day}-", 77))
        began = time.perf_counter()
        result = timed(store, feeds, settings)
        return {**result, "seconds": round(time.perf_counter() - began, 1)}


@contextmanager
def sending(folder: Path, count: int, *, days_ago: int = 0) -> Iterator[tuple[MailStore, FeedService, MailSettings]]:
    """Run a feed service with one digest of 77 papers and an SMTP server. A tenth of the subscribers has a like."""
    schema.upgrade(f"sqlite:///{folder / 'mail.db'}")
    store = open_store(f"sqlite:///{folder / 'mail.db'}")
    with store.write() as connection:
        for number in range(count):
            subscribers.add(connection, subscriber(number))
    with (
        feed_service(folder) as service,
        logging_server(folder / "smtp.log") as port,
        FeedService(service.target) as feeds,
    ):
        with service.client() as client:
            add_digest(client, "first", dt.datetime.now(dt.UTC).date() - dt.timedelta(days=days_ago), papers("a", 77))
            for number in range(0, count, 10):
                like(client, f"u{number:06d}", [f"a{number % 77}"])
        settings = MailSettings.read(
            {},
            server=service.target,
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_security="none",
            base_url="https://mail.example.org",
        )
        yield store, feeds, settings
    store.dispose()


def timed(store: MailStore, feeds: FeedService, settings: MailSettings) -> dict[str, Any]:
    """Run the mailer; return outcomes, speed, and the memory of this process before, during and after the run."""
    memory, done = [resident_megabytes(os.getpid())], threading.Event()

    def watch() -> None:
        while not done.wait(1):
            memory.append(resident_megabytes(os.getpid()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    summary = MailRun(store, feeds, settings, SystemClock()).run(everybody=True)
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    memory.append(resident_megabytes(os.getpid()))
    quarter = len(memory) // 4
    return {
        "outcomes": summary.outcomes,
        "problems": summary.problems,
        "per_second": round(summary.outcomes["sent"] / seconds, 1),
        "memory_mib": {
            "before": round(memory[0]),
            "after a quarter": round(memory[quarter]),
            "most": round(max(memory)),
            "after": round(memory[-1]),
        },
    }


def judged(result: dict[str, Any], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the figures with their budgets."""
    rate, memory = result["whole"]["per_second"], result["whole"]["memory_mib"]
    grown = memory["most"] - memory["after a quarter"]
    name = f"messages a second of a whole run, {options.readers} subscribers"
    yield figure(name, rate, at_least=BUDGET_PER_SECOND)
    yield figure("growth of memory in the last three quarters of the run, MiB", grown, at_most=MEMORY_MIB)
    seconds = result["weekly"]["seconds"]
    name = f"seconds of a run for {options.weekly_readers} weekly subscribers with {WEEK} digests"
    yield figure(name, seconds, at_most=WEEKLY_SECONDS)
    for mailers in (1, 2):
        found = result[f"killed, mailers: {mailers}"]
        lost, most = found["missing"] + found["strangers"], options.kills * CONNECTIONS
        what = f"{options.killed_readers} subscribers, {options.kills} kills, mailers: {mailers}"
        yield figure(f"missing or unknown messages, {what}", lost, at_most=0)
        yield figure(f"messages sent twice, {what}", found["doubled"], at_most=most)


def main() -> int:
    """Print the result; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.mail")
    parser.add_argument("--readers", type=int, default=10_000, help="subscribers of the whole run")
    parser.add_argument("--weekly-readers", type=int, default=1_000, help="subscribers of the run with seven digests")
    parser.add_argument("--killed-readers", type=int, default=2_000, help="subscribers of the runs with kills")
    parser.add_argument("--kills", type=int, default=20, help="kills for one mailer and for two")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "whole").mkdir()
        result: dict[str, Any] = {"composed_per_second": round(rendering(500), 1)}
        result["whole"] = whole(folder / "whole", options.readers)
        (folder / "weekly").mkdir()
        result["weekly"] = weekly(folder / "weekly", options.weekly_readers)
        for mailers in (1, 2):
            own = folder / f"kill{mailers}"
            own.mkdir()
            url = f"sqlite:///{own / 'mail.db'}"
            found = kill_often(own, url, options.killed_readers, options.kills, mailers, seed=mailers)
            result[f"killed, mailers: {mailers}"] = asdict(found)
    facts = {"readers": options.readers, "kills": options.kills, "connections": CONNECTIONS}
    return report(list(judged(result, options)), as_json=options.json, details=result, **facts)


if __name__ == "__main__":
    sys.exit(main())
