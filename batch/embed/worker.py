"""The worker of an embedding job: reads the papers of a range that lack a vector, encodes and stores them in batches.

No lease is needed: each range has one worker, and papers with a vector are not read. After a kill, or beside a server
that embeds too, at most one batch of texts is encoded twice.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from batch.chunks import chunks
from batch.errors import Failure
from batch.sessions import Sessions
from service.app.embedder import embed_texts
from service.app.ports import Encoder
from service.domain.errors import EncoderUnavailable, PaperfeedError
from service.storage import open_store, schema

RANGE_SIZE = 300_000
"""Characters of one range: some 200 abstracts, seconds of one core."""
PAPER_SIZE = 100
"""Characters added for each paper, so that a range of short titles stays small."""
TEXTS_AT_A_TIME = 128
"""Texts of one encoder call and one transaction. Larger calls need less padding; a kill loses one call at most."""


class WorkerEncoder(Encoder, Protocol):
    """An encoder that is closed after use."""

    def close(self) -> None:
        """End the processes and threads of the encoder."""


@dataclass(frozen=True)
class Cargo:
    """The data that every worker gets once.

    Attributes:
        location: Database URL, with its password.
        encoder: Name under which vectors are stored.
        open_encoder: Opens the encoder in the worker; the model is loaded at the first text.
    """

    location: str
    encoder: str
    open_encoder: Callable[[], WorkerEncoder]


@dataclass(frozen=True)
class PaperRange:
    """The papers with ids in (after, until], by code points.

    Attributes:
        paper_count: Number of papers without a vector when the catalog was cut.
    """

    after: str
    until: str
    paper_count: int


@dataclass(frozen=True)
class Done:
    """A finished range; the counts are those of this worker."""

    papers: PaperRange
    stored_count: int
    failed_count: int


def ranges_of(sizes: Iterable[tuple[str, int]], range_size: int = RANGE_SIZE) -> list[PaperRange]:
    """Cut papers into ranges of at most ``range_size`` characters; a longer text gets a range of its own.

    Args:
        sizes: (paper id, number of characters), ascending.
    """
    found: list[PaperRange] = []
    for papers in chunks(sizes, lambda each: PAPER_SIZE + each[1], range_size):
        found.append(PaperRange(found[-1].until if found else "", papers[-1][0], len(papers)))
    return found


class _Session:
    """The database and the encoder that a worker keeps from range to range of one job."""

    def __init__(self, cargo: Cargo) -> None:
        self.cargo = cargo
        # SQLite would silently create a missing file.
        schema.check(cargo.location)
        self._store = open_store(cargo.location)
        self._encoder = cargo.open_encoder()
        if self._encoder.name != cargo.encoder:
            self.close()
            raise EncoderUnavailable(f"a worker's files make it {self._encoder.name}, not {cargo.encoder}")

    def embed(self, papers: PaperRange) -> Done:
        """Give every paper of the range its vector."""
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
            # A text that changed meanwhile waits for the next round, so that steady writes cannot block a range.
            after = texts[-1].paper_id

    def close(self) -> None:
        """Close the encoder and the connections."""
        self._encoder.close()
        self._store.dispose()


_sessions = Sessions(_Session)


def embed(cargo: Cargo, papers: PaperRange) -> Done | Failure:
    """Embed a range; vectors that were stored before a failure are kept."""
    try:
        return _sessions.of(cargo).embed(papers)
    except PaperfeedError as error:
        return Failure(str(error))
