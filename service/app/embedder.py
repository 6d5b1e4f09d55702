"""Embedding of pending texts: by a background thread of the server, or at once for the command line."""

import contextlib
import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from service.app.ports import Clock, Encoder, PendingText, Store, Vectors
from service.app.rounds import Rounds
from service.domain.errors import DeadlineTooShort, EncoderUnavailable, Overloaded, PaperfeedError, StorageUnavailable

LEASE = dt.timedelta(seconds=20)
"""Time after which another process takes over the texts of a process that is gone. Leases of texts in work are renewed
four times in it, because embedding a batch takes longer."""
BATCH_SIZE = 64
_log = logging.getLogger("paperfeed.embedder")


@dataclass(frozen=True, slots=True)
class Embedded:
    """Result of embedding some texts; a text in neither count was changed or deleted in the meantime.

    Attributes:
        stored: Number of vectors stored.
        failed: Number of texts that the encoder cannot embed.
    """

    stored: int
    failed: int


def embed_pending(
    store: Store,
    encoder: Encoder,
    clock: Clock,
    *,
    progress: Callable[[int], None] = lambda _count: None,
    stopping: Callable[[], bool] = lambda: False,
    lease: dt.timedelta = LEASE,
) -> int:
    """Embed all pending texts; return the number of vectors stored.

    Several processes may do this at the same time: each text is leased to one of them. A process that stops gives its
    leases back; the leases of a killed process expire.

    Args:
        progress: Called after each batch with its number of texts.
        stopping: Checked before each batch; True ends the work.
        lease: Time for which a killed process keeps its texts.

    Raises:
        EncoderUnavailable: The encoder does not work; no text is marked as failed.
    """
    total = 0
    while not stopping():
        with store.write() as tx:
            batch = tx.papers.claim_pending(encoder.name, limit=BATCH_SIZE, now=clock.now(), lease=lease)
        if not batch:
            break
        with _held(store, encoder.name, clock, batch, lease):
            stored = embed_texts(store, encoder, batch).stored
        progress(len(batch))
        total += stored
    return total


@contextlib.contextmanager
def _held(
    store: Store, encoder: str, clock: Clock, texts: Sequence[PendingText], lease: dt.timedelta
) -> Iterator[None]:
    """Renew the leases of texts during the block. Give the texts back if it fails."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(lease.total_seconds() / 4):
            with contextlib.suppress(StorageUnavailable), store.write() as tx:
                tx.papers.extend_leases(encoder, texts, until=clock.now() + lease)

    renewal = threading.Thread(target=renew, name="leases", daemon=True)
    renewal.start()
    try:
        yield
    except BaseException:
        with contextlib.suppress(StorageUnavailable), store.write() as tx:
            tx.papers.end_leases(encoder, texts)
        raise
    finally:
        ended.set()
        renewal.join()


def embed_texts(store: Store, encoder: Encoder, texts: Sequence[PendingText]) -> Embedded:
    """Embed texts and store their vectors in one transaction; mark texts that cannot be embedded as FAILED.

    Raises:
        EncoderUnavailable: The encoder does not work; no text is marked as failed.
    """
    try:
        vectors = _encoded(encoder, [pending.text for pending in texts])
    except EncoderUnavailable:
        if len(texts) > 1:
            alone = [embed_texts(store, encoder, [pending]) for pending in texts]
            return Embedded(sum(each.stored for each in alone), sum(each.failed for each in alone))
        # A single text failed. Embedding a known good text tells whether the text or the encoder is at fault.
        _encoded(encoder, ["paper"])
        _log.warning("a text cannot be embedded", extra={"facts": {"paper_id": texts[0].paper_id}})
        with store.write() as tx:
            tx.papers.mark_failed(encoder.name, [texts[0].paper_id])
        return Embedded(0, 1)
    with store.write() as tx:
        stored = tx.papers.store_vectors(
            encoder.name,
            {pending.paper_id: (pending.text_hash, vector) for pending, vector in zip(texts, vectors, strict=True)},
        )
    return Embedded(stored, 0)


def _encoded(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Return the vectors of texts; raise EncoderUnavailable for every unexpected error of the encoder."""
    try:
        return encoder.encode_in_background(texts)
    except PaperfeedError:
        raise
    except Exception as error:
        # The encoder is third-party code, which may raise any error for an unusual text.
        _log.exception("the encoder failed")
        raise EncoderUnavailable(f"it failed ({type(error).__name__})") from error


class Embedder(Rounds):
    """A background thread that embeds pending texts in rounds.

    Args:
        on_drained: Called after every round, even if it found no text: another process may have embedded them.
        dim: Returns the length that vectors must have; None if it is not known. The first round deletes vectors of
            another length, so that their papers are embedded again.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        clock: Clock,
        *,
        on_drained: Callable[[], object],
        dim: Callable[[], int | None] = lambda: None,
        poll_seconds: float = 15.0,
        lease: dt.timedelta = LEASE,
    ) -> None:
        super().__init__("embedder", _log, "embedding failed; it will be tried again", poll_seconds)
        self._store = store
        self._encoder = encoder
        self._clock = clock
        self._on_drained = on_drained
        self._dim = dim
        self._lease = lease
        self._is_first_round = True

    def _round(self) -> None:
        try:
            if self._is_first_round:
                self._forget_odd_vectors()
                self._is_first_round = False
            embed_pending(self._store, self._encoder, self._clock, stopping=self._stopping.is_set, lease=self._lease)
            self._on_drained()
        except (EncoderUnavailable, StorageUnavailable, DeadlineTooShort, Overloaded) as error:
            if not self._stopping.is_set():
                _log.error("embedding is delayed; it will be tried again", extra={"facts": {"problem": error.message}})
                self._stopping.wait(self._poll_seconds)

    def _forget_odd_vectors(self) -> None:
        dim, encoder = self._dim(), self._encoder.name
        if dim is None:
            return
        with self._store.read() as tx:
            odd, count = tx.papers.odd_vectors(encoder, dim), tx.papers.encoders().get(encoder, 0)
        # If all vectors have a wrong length, the encoder does not fit the bundle, and would compute the same again.
        if 0 < len(odd) < count:
            _log.warning(
                "vectors of a wrong length are computed again", extra={"facts": {"count": len(odd), "dim": dim}}
            )
            with self._store.write() as tx:
                tx.papers.forget_vectors(encoder, odd)
