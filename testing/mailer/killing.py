"""Mailers in processes of their own, killed in the middle of their work; the SMTP server's log is the judge.

As a program: ``python -m testing.mailer.killing DB SMTP_PORT LEASE`` sends what is due, as ``paperfeed mail send`` does
once its issues are made.
"""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailer.clock import SystemClock
from mailer.config import MailSettings
from mailer.sending.outbox import Sender
from mailer.storage import MailStore, issues, open_store, schema, subscribers
from testing.mailer.builders import subscriber
from tests.mailer.sending.test_sending import issue

CONNECTIONS = 4


@dataclass(frozen=True)
class Damage:
    """What the SMTP server's log says after all.

    Attributes:
        missing: Addresses that got nothing.
        doubled: Messages beyond the first to an address.
        strangers: Doubles with another Message-ID than the first.
    """

    missing: int
    doubled: int
    strangers: int


@contextmanager
def logging_server(log: Path) -> Iterator[int]:
    """The port of an SMTP server in its own process, which the kills never touch."""
    command = [sys.executable, "-m", "testing.mailer.smtp_server", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def fill(url: str, count: int) -> MailStore:
    """A database with an issue due for each of so many subscribers."""
    schema.upgrade(url)
    store = open_store(url)
    with store.write() as connection:
        for number in range(count):
            subscribers.add(connection, subscriber(number))
            issues.add(connection, issue(number))
    return store


def kill_often(folder: Path, url: str, count: int, kills: int, mailers: int, seed: int) -> Damage:
    """Runs mailers on one outbox, kills one of them so many times, lets the last ones end, and reads the log."""
    rng = random.Random(seed)
    log = folder / "smtp.log"
    log.touch()
    store = fill(url, count)
    with logging_server(log) as port:
        running = [_mailer(url, port) for _ in range(mailers)]
        for kill in range(kills):
            _wait_for_lines(log, count * (kill + 1) // (kills + 2), running)
            time.sleep(rng.uniform(0, 0.05))
            victim = rng.randrange(mailers)
            running[victim].kill()
            running[victim].wait()
            running[victim] = _mailer(url, port)
        for process in running:
            assert process.wait(120) == 0
    store.dispose()
    return damage(log, count)


def damage(log: Path, count: int) -> Damage:
    """What the log says."""
    lines = [tuple(line.split("\t")) for line in log.read_text(encoding="utf-8").splitlines()]
    counts = Counter(address for address, _ in lines)
    names = Counter(address for address, _ in set(lines))
    return Damage(
        missing=count - len(counts),
        doubled=sum(counts.values()) - len(counts),
        strangers=sum(found - 1 for found in names.values()),
    )


def _mailer(url: str, port: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "testing.mailer.killing", url, str(port), "1.0"])


def _wait_for_lines(log: Path, count: int, running: "list[subprocess.Popen[bytes]]") -> None:
    end = time.monotonic() + 60
    while log.read_bytes().count(b"\n") < count:
        if all(process.poll() is not None for process in running):
            return
        assert time.monotonic() < end, "the mailers stand still"
        time.sleep(0.005)


def _send(url: str, port: int, lease_seconds: float) -> int:
    settings = MailSettings.read(
        {}, db=url, smtp_host="127.0.0.1", smtp_port=port, smtp_security="none", smtp_connections=CONNECTIONS
    )
    store = open_store(url)
    sender = Sender(store, settings, SystemClock(), lease_seconds=lease_seconds)
    sender.send()
    store.dispose()
    return 1 if sender.problem else 0


if __name__ == "__main__":
    sys.exit(_send(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
