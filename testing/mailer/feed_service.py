"""A real feed service in a process of its own, and calls that give it papers, digests and likes."""

import datetime as dt
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from paperfeed.client import Client
from paperfeed.v1 import catalog_pb2 as pb
from paperfeed.v1 import profile_pb2
from service.api.convert import to_date, to_timestamp

TODAY = dt.datetime.now(dt.UTC).replace(hour=12, minute=0, second=0, microsecond=0) - dt.timedelta(days=13)
"""A day that is recent for the mailer, and long enough past for tests that advance a clock."""
TOPICS = ("graph networks", "protein folding", "database indexes", "speech recognition", "auction design")


class RunningService:
    """A feed service that can be stopped and started again with the same database and port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.target = ""

    def start(self) -> None:
        """Start the service and wait until it listens."""
        port = self.target.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "cli.main", "serve", "--port", port, "--encoder", "hashing"]
        command += ["--db", f"sqlite:///{self._folder / 'service.db'}"]
        with (self._folder / "service.log").open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), (self._folder / "service.log").read_text(encoding="utf-8")
        self.target = line.removeprefix("listening on ").strip()

    def stop(self) -> None:
        """Stop the service; ``target`` stays valid for the next start."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()

    def client(self) -> Client:
        """Return a new client, to be closed by the caller."""
        return Client(self.target, timeout=10)


@contextmanager
def feed_service(folder: Path) -> Iterator[RunningService]:
    """Run a service with an empty database in the folder."""
    service = RunningService(folder)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def add_digest(client: Client, digest_id: str, date: dt.date, papers: Sequence[pb.Paper]) -> None:
    """Store the papers and a digest of them."""
    client.catalog.UpsertPapers(pb.UpsertPapersRequest(papers=papers))
    digest = pb.Digest(
        digest_id=digest_id,
        date=to_date(date),
        title=digest_id,
        source="test",
        paper_ids=[paper.paper_id for paper in papers],
    )
    client.catalog.UpsertDigest(pb.UpsertDigestRequest(digest=digest))


def papers(prefix: str, count: int, first_seen_at: dt.datetime | None = None) -> list[pb.Paper]:
    """Return papers with ids ``prefix0``, ``prefix1`` and so on, of five topics in turn."""
    return [
        pb.Paper(
            paper_id=f"{prefix}{number}",
            title=f"{TOPICS[number % 5].title()}, part {prefix}{number}",
            abstract=f"We study {TOPICS[number % 5]} in depth. Results on {TOPICS[number % 5]} are new.",
            authors=["Ada Lovelace"],
            url=f"https://example.org/{prefix}{number}",
            first_seen_at=to_timestamp(first_seen_at),
        )
        for number in range(count)
    ]


def like(client: Client, user_id: str, paper_ids: Sequence[str]) -> None:
    """Record a like of each paper, an hour ago."""
    stamp = to_timestamp(dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
    events = [
        profile_pb2.Event(user_id=user_id, paper_id=paper_id, event_type=profile_pb2.EVENT_TYPE_LIKE, occurred_at=stamp)
        for paper_id in paper_ids
    ]
    client.profiles.RecordEvents(profile_pb2.RecordEventsRequest(events=events))
