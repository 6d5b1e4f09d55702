"""Runs mailers in their own processes, kills them while they send, and evaluates the log of the SMTP server.

As a program, ``python -m testing.mailer.killing DB SMTP_PORT LEASE`` sends the due issues, like the second half
of ``paperfeed mail send``.
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
from mailer.sending.outbox import Sender
from mailer.storage import open_store, schema
from testing.mailer.builders import fill, settings_for

CONNECTIONS = 4


@dataclass(frozen=True)
class Damage:
    """Errors that the log of the SMTP server shows.

    Attributes:
        missing: Number of addresses that got no message.
        doubled: Number of messages beyond the first to an address.
        strangers: Number of duplicates whose Message-ID differs from the first message.
    """

    missing: int
    doubled: int
    strangers: int


@contextmanager
def logging_server(log: Path) -> Iterator[int]:
    """Run an SMTP server in its own process, which is never killed, and yield its port."""
    command = [sys.executable, "-m", "testing.mailer.smtp_server", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def kill_often(folder: Path, url: str, count: int, kills: int, mailers: int, seed: int) -> Damage:
    """Run several mailers on one outbox, kill one of them ``kills`` times, wait for the end, and evaluate the log."""
    rng = random.Random(seed)
    log = folder / "smtp.log"
    log.touch()
    schema.upgrade(url)
    store = open_store(url)
    fill(store, count)
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
    """Evaluate the log of a server that should have got one message for each of ``count`` addresses."""
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
        assert time.monotonic() < end, "the mailers do not send anything"
        time.sleep(0.005)


def _send(url: str, port: int, lease_seconds: float) -> int:
    store = open_store(url)
    settings = settings_for(port, db=url, smtp_connections=CONNECTIONS)
    sender = Sender(store, settings, SystemClock(), lease_seconds=lease_seconds)
    sender.send()
    store.dispose()
    return 1 if sender.problem else 0


if __name__ == "__main__":
    sys.exit(_send(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
