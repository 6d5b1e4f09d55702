"""The mailer under load: how fast issues are made and handed over, and what twenty kills do.

    python -m benchmarks.jobs.mail --json            # 10,000 readers; then 2,000 readers and 20 kills, one mailer and two

A real feed service (hashing encoder, 77 papers) runs in one process, the SMTP server in another; both on loopback. The
time is that of a whole run: feeds ranked and streamed, issues rendered, stored, handed over, reported to the service.
"""

import argparse
import datetime as dt
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import figure, report
from mailer.clock import SystemClock
from mailer.config import MailSettings
from mailer.issues.message import Draft, compose
from mailer.links import Links
from mailer.run import MailRun
from mailer.service import FeedService
from mailer.storage import MailStore, open_store, schema, subscribers
from testing.mailer.builders import feed, subscriber
from testing.mailer.feed_service import add_digest, feed_service, like, papers
from testing.mailer.killing import CONNECTIONS, damage, kill_often, logging_server

BUDGET_PER_SECOND = 100.0
MEMORY_MIB = 32
"""How much more than after a quarter of the run memory may grow: it must not follow the number of readers."""


def resident_mib() -> float:
    """Now, of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 2**20


def rendering(count: int) -> float:
    """Messages a second, composed alone on one thread."""
    settings = MailSettings.read({}, base_url="https://mail.example.org")
    links, shown, now = Links(b"k" * 32, settings.base_url), feed(count=10), SystemClock().now()
    began = time.perf_counter()
    for number in range(count):
        draft = Draft(f"i{number}", "d1", shown.slate_id, (now.date(),), shown.papers)
        compose(draft, subscriber(number), settings, links, now)
    return count / (time.perf_counter() - began)


def whole(folder: Path, count: int) -> dict[str, Any]:
    """10,000 subscribers: issues made from real feeds, rendered, handed over; memory along the way."""
    schema.upgrade(f"sqlite:///{folder / 'mail.db'}")
    store = open_store(f"sqlite:///{folder / 'mail.db'}")
    with store.write() as connection:
        for number in range(count):
            subscribers.add(connection, subscriber(number))
    log = folder / "smtp.log"
    with feed_service(folder) as service, logging_server(log) as port, FeedService(service.target) as feeds:
        with service.client() as client:
            add_digest(client, "today", dt.datetime.now(dt.UTC).date(), papers("a", 77))
            for number in range(0, count, 10):
                like(client, f"u{number:06d}", [f"a{number % 77}"])
        settings = MailSettings.read(
            {}, smtp_host="127.0.0.1", smtp_port=port, smtp_security="none", base_url="https://mail.example.org"
        )
        result = timed(store, feeds, settings)
    store.dispose()
    return {**result, "log": asdict(damage(log, count))}


def timed(store: MailStore, feeds: FeedService, settings: MailSettings) -> dict[str, Any]:
    """One run, and the memory of this process before, on the way and after."""
    memory, done = [resident_mib()], threading.Event()

    def watch() -> None:
        while not done.wait(1):
            memory.append(resident_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    summary = MailRun(store, feeds, settings, SystemClock()).run(everybody=True)
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    memory.append(resident_mib())
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
    """What was promised, and whether it holds."""
    rate, memory = result["whole"]["per_second"], result["whole"]["memory_mib"]
    grown = memory["most"] - memory["after a quarter"]
    name = f"messages a second, {options.readers} readers, ranked, made, handed over and reported"
    yield figure(name, rate, at_least=BUDGET_PER_SECOND)
    yield figure("memory that the last three quarters took, MiB", grown, at_most=MEMORY_MIB)
    for mailers in (1, 2):
        found = result[f"killed, mailers: {mailers}"]
        lost, most = found["missing"] + found["strangers"], options.kills * CONNECTIONS
        what = f"{options.killed_readers} readers, {options.kills} kills, mailers: {mailers}"
        yield figure(f"left out or made up, {what}", lost, at_most=0)
        yield figure(f"doubled, {what}", found["doubled"], at_most=most)


def main() -> int:
    """Prints the result; 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.mail")
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--killed-readers", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "whole").mkdir()
        result: dict[str, Any] = {"composed_per_second": round(rendering(500), 1)}
        result["whole"] = whole(folder / "whole", options.readers)
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
