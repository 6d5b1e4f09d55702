"""Embedding of pending texts."""

import datetime as dt
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from ranker.bundle.bundle import Bundle
from service.app.embedder import BATCH_SIZE, Embedder, embed_pending
from service.app.ports import Vectors
from service.app.ranking.serving import ServingSlot
from service.domain.errors import BundleUnusable, EncoderUnavailable
from service.domain.papers import EmbeddingState, Paper
from service.encoder.hashing import DIM, HashingEncoder
from service.resources import SystemClock
from service.storage import SqlStore
from testing.calls import wait_until

NOW = dt.datetime(2026, 3, 11, tzinfo=dt.UTC)


class PickyEncoder(HashingEncoder):
    """Cannot embed texts with the word ``poison``, and counts the texts it gets.

    Args:
        error: What it raises for them.
    """

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.count = 0
        self.broken = False
        self._error = error or EncoderUnavailable("a text that it does not take")

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        self.count += len(texts)
        if self.broken or any("poison" in text for text in texts):
            raise self._error
        return super().encode_in_background(texts)


class SlowEncoder(HashingEncoder):
    """Takes until it is closed, and then fails."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.closed = threading.Event(), threading.Event()

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        self.began.set()
        self.closed.wait(60)
        raise EncoderUnavailable("it was closed")


def _add(store: SqlStore, titles: Sequence[str]) -> None:
    with store.write() as tx:
        tx.papers.upsert([Paper(paper_id=f"p:{title}", title=f"Paper about {title}") for title in titles], NOW)


def test_everything_that_waits_gets_its_vector_once(store: SqlStore) -> None:
    """More texts than a batch are embedded, each once; a second call does nothing."""
    titles = [f"subject {i:03d}" for i in range(BATCH_SIZE + 10)]
    _add(store, titles)
    encoder = PickyEncoder()

    assert embed_pending(store, encoder, SystemClock()) == len(titles)
    assert embed_pending(store, encoder, SystemClock()) == 0
    assert encoder.count == len(titles)
    with store.read() as tx:
        ids, vectors = tx.papers.all_vectors(encoder.name)
    assert len(ids) == len(titles)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("error", [None, ValueError("an odd letter")])
def test_a_text_that_cannot_be_embedded_fails_alone(store: SqlStore, error: Exception | None) -> None:
    """A bad text is marked FAILED and not tried again; the others of its batch get their vectors."""
    _add(store, ["one", "poison", "two"])
    encoder = PickyEncoder(error)

    assert embed_pending(store, encoder, SystemClock()) == 2
    assert embed_pending(store, encoder, SystemClock()) == 0
    with store.read() as tx:
        states = {
            paper_id: paper.embedding_state for paper_id, paper in tx.papers.find_many(["p:one", "p:poison"]).items()
        }
    assert states == {"p:one": EmbeddingState.READY, "p:poison": EmbeddingState.FAILED}


@pytest.mark.parametrize("error", [None, RuntimeError("out of order")])
def test_a_broken_encoder_marks_nothing(store: SqlStore, error: Exception | None) -> None:
    """If the encoder fails for all texts, its error is raised and no text is marked FAILED."""
    _add(store, ["one", "two"])
    encoder = PickyEncoder(error)
    encoder.broken = True

    with pytest.raises(EncoderUnavailable):
        embed_pending(store, encoder, SystemClock())

    with store.read() as tx:
        assert tx.papers.pending_count(encoder.name) == 2


def test_texts_of_a_broken_encoder_are_given_back(store: SqlStore) -> None:
    """After a failure, another process can embed the texts at once."""
    _add(store, ["one", "two"])
    broken = PickyEncoder()
    broken.broken = True
    with pytest.raises(EncoderUnavailable):
        embed_pending(store, broken, SystemClock())

    assert embed_pending(store, PickyEncoder(), SystemClock()) == 2


def test_texts_of_a_slow_encoder_stay_leased(store: SqlStore) -> None:
    """While a batch takes longer than a lease, nobody else embeds its texts; once its process stops, others do."""
    _add(store, ["one", "two"])
    slow, other = SlowEncoder(), PickyEncoder()
    embedder = Embedder(store, slow, SystemClock(), on_drained=lambda: None, lease=dt.timedelta(seconds=0.6))
    embedder.start()
    slow.began.wait(20)

    time.sleep(1.5)
    assert embed_pending(store, other, SystemClock()) == 0
    slow.closed.set()
    embedder.stop()

    assert embed_pending(store, other, SystemClock()) == 2


@pytest.mark.parametrize("fitting", [3, 0])
def test_vectors_of_a_wrong_length_are_made_again(store: SqlStore, fitting: int) -> None:
    """A start makes vectors of a wrong length again, unless all have it: the encoder would make them so again."""
    titles = [f"subject {i}" for i in range(5)]
    _add(store, titles)
    encoder = PickyEncoder()
    embed_pending(store, encoder, SystemClock())
    with store.write() as tx:
        papers = tx.papers.page(after="", limit=9)[fitting:]
        odd = {paper.paper_id: (paper.text_hash, np.ones(7, np.float32)) for paper in papers}
        tx.papers.store_vectors(encoder.name, odd)
    drained = threading.Event()
    embedder = Embedder(store, encoder, SystemClock(), on_drained=drained.set, dim=lambda: DIM)

    embedder.start()
    assert drained.wait(20)
    embedder.stop()

    with store.read() as tx:
        vectors = tx.papers.vectors([f"p:{title}" for title in titles], encoder.name)
    lengths = [len(vector) for vector in vectors.values()]
    assert lengths == ([DIM] * 5 if fitting else [7] * 5)


def test_vectors_that_others_made_serve(store: SqlStore) -> None:
    """A server uses the vectors of another process, even if it embeds nothing itself."""

    def no_bundle(_encoder: str) -> Bundle:
        raise BundleUnusable("none")

    _add(store, ["one", "two"])
    old, new = np.full(3, 3**-0.5, np.float32), np.full(4, 0.5, np.float32)
    _store_all(store, "old", old)
    encoder = PickyEncoder()
    serving = ServingSlot(store, encoder.name, no_bundle)
    assert serving.current.encoder == "old"
    _store_all(store, encoder.name, new)
    embedder = Embedder(store, encoder, SystemClock(), on_drained=serving.catch_up)

    embedder.start()
    wait_until(lambda: serving.current.encoder == encoder.name)
    embedder.stop()

    assert encoder.count == 0


def test_the_thread_outlives_whatever_fails(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    """After an unexpected error, which is logged with its traceback, pending texts are still embedded."""
    failures = [RuntimeError("a bug")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    encoder = PickyEncoder()
    embedder = Embedder(store, encoder, SystemClock(), on_drained=fail_once, poll_seconds=0.05)
    embedder.start()
    wait_until(lambda: not failures)
    _add(store, ["one"])
    wait_until(lambda: encoder.count == 1)
    embedder.stop()

    logged = [record for record in caplog.records if record.name == "paperfeed.embedder"]
    assert [record.getMessage() for record in logged] == ["embedding failed; it will be tried again"]
    assert logged[0].exc_text is not None or logged[0].exc_info is not None


def _store_all(store: SqlStore, encoder: str, vector: Vectors) -> None:
    with store.write() as tx:
        papers = tx.papers.page(after="", limit=100)
        tx.papers.store_vectors(encoder, {paper.paper_id: (paper.text_hash, vector) for paper in papers})
