"""One range of papers, embedded in a worker: texts that wait are read, encoded and stored, some at a time.

No lease is taken: a range is with one worker, and what has a vector is not read. So a range that is done again, after a
kill or beside a server that embeds too, costs at most the texts that were at work.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from batch.sessions import Sessions
from service.app.embedder import embed_texts
from service.app.ports import Encoder
from service.domain.errors import EncoderUnavailable, PaperfeedError
from service.storage import open_store, schema

RANGE_SIZE = 300_000
"""Characters of one range, some 200 abstracts: seconds of one core."""
PAPER_SIZE = 100
"""What a paper counts beyond its text, so that titles alone make no endless range."""
TEXTS_AT_A_TIME = 128
"""In one call of the encoder, which pads less the more it gets, and in one transaction. A kill loses no more."""


class WorkerEncoder(Encoder, Protocol):
    """An encoder that this process alone uses."""

    def close(self) -> None:
        """Ends what runs for it."""


@dataclass(frozen=True)
class Cargo:
    """What every worker is sent once.

    Attributes:
        location: The database's URL, with its password.
        encoder: The name that vectors are stored under.
        open_encoder: Opens that encoder in the worker; starts nothing before the first text.
    """

    location: str
    encoder: str
    open_encoder: Callable[[], WorkerEncoder]


@dataclass(frozen=True)
class PaperRange:
    """Papers with ids in (after, until], by code points.

    Attributes:
        paper_count: Texts that waited when the catalog was cut.
    """

    after: str
    until: str
    paper_count: int


@dataclass(frozen=True)
class Done:
    """A range without a text that waits; counts are of this worker's work."""

    papers: PaperRange
    stored_count: int
    failed_count: int


@dataclass(frozen=True)
class Failure:
    """A range that cannot be done, and why, in words for people."""

    papers: PaperRange
    problem: str


def ranges_of(sizes: Iterable[tuple[str, int]], range_size: int = RANGE_SIZE) -> list[PaperRange]:
    """Cuts texts that wait into ranges of so many characters; a longer one gets a range of its own.

    Args:
        sizes: (paper id, characters), ascending.
    """
    found: list[PaperRange] = []
    after, last, size, papers = "", "", 0, 0
    for paper_id, characters in sizes:
        own = PAPER_SIZE + characters
        if papers and size + own > range_size:
            found.append(PaperRange(after, last, papers))
            after, size, papers = last, 0, 0
        last, size, papers = paper_id, size + own, papers + 1
    if papers:
        found.append(PaperRange(after, last, papers))
    return found


class _Session:
    """What a worker keeps from range to range."""

    def __init__(self, cargo: Cargo) -> None:
        self.cargo = cargo
        # SQLite would make a file that is not there, and say nothing.
        schema.check(cargo.location)
        self._store = open_store(cargo.location)
        self._encoder = cargo.open_encoder()
        if self._encoder.name != cargo.encoder:
            self.close()
            raise EncoderUnavailable(f"a worker's files make it {self._encoder.name}, not {cargo.encoder}")

    def embed(self, papers: PaperRange) -> Done:
        """Gives every text of the range its vector."""
        stored = failed = 0
        after = papers.after
        while True:
            with self._store.read() as tx:
                texts = tx.papers.pending_between(
                    self.cargo.encoder, after=after, until=papers.until, limit=TEXTS_AT_A_TIME
                )
            if not texts:
                return Done(papers, stored, failed)
            found = embed_texts(self._store, self._encoder, texts)
            stored, failed = stored + found.stored, failed + found.failed
            # A text that changed meanwhile waits for the next round: nobody who writes shall hold a range for ever.
            after = texts[-1].paper_id

    def close(self) -> None:
        """Ends the encoder and the connections."""
        self._encoder.close()
        self._store.dispose()


_sessions = Sessions(_Session)


def embed(cargo: Cargo, papers: PaperRange) -> Done | Failure:
    """Embeds a range; what is stored stays, whatever happens."""
    try:
        return _sessions.of(cargo).embed(papers)
    except PaperfeedError as error:
        return Failure(papers, str(error))
