"""The index of similar papers equals a computation from the database, on each engine."""

import numpy as np
import pytest

from service.app.ports import Store, Vectors
from service.app.ranking import similar
from service.app.ranking.similar import SimilarPapers
from service.encoder import HashingEncoder
from service.storage import SqlStore, open_store
from tests.contracts.samples import NOW, ON_SQLITE, add_papers, in_threads, paper

DIM = 16


@pytest.fixture(autouse=True)
def few_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow so few changes that some tests read all vectors again."""
    monkeypatch.setattr(similar, "MAX_CHANGES", 6)


def vector(seed: int) -> Vectors:
    found = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found), dtype=np.float32)


def store_vectors(store: Store, seeds: dict[str, int], encoder: str = "mini") -> None:
    with store.write() as tx:
        papers = tx.papers.find_many(list(seeds))
        tx.papers.store_vectors(encoder, {key: (papers[key].text_hash, vector(seed)) for key, seed in seeds.items()})


def nearest(index: SimilarPapers, store: Store, target: int, limit: int = 3) -> list[tuple[str, float]]:
    with store.read() as tx:
        return index.nearest(tx, "mini", vector(target), limit=limit)


def expected(store: Store, target: int, limit: int = 3) -> list[tuple[str, float]]:
    """Return the nearest papers by the simplest computation."""
    with store.read() as tx:
        ids, vectors = tx.papers.all_vectors("mini")
    cosines = [round(float(np.float64(row) @ np.float64(vector(target))), 6) for row in vectors]
    best = sorted(zip(ids, cosines, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return best[:limit]


def assert_right(index: SimilarPapers, store: Store) -> None:
    for target in (1, 5, 999):
        for limit in (1, 3, 100):
            assert nearest(index, store, target, limit) == expected(store, target, limit)


def test_follows_every_change(store: Store) -> None:
    """After new, changed and deleted vectors, the answers equal a computation from the database."""
    index = SimilarPapers()
    assert nearest(index, store, 1) == []
    names = add_papers(store, 23)
    store_vectors(store, {name: i for i, name in enumerate(names[:10])})
    assert_right(index, store)
    store_vectors(store, {name: i for i, name in enumerate(names)})
    assert_right(index, store)
    with store.write() as tx:
        tx.papers.upsert([paper(1, abstract="Another text."), paper(20, abstract="Another text.")], NOW)
    assert_right(index, store)
    store_vectors(store, {"p1": 77})
    assert_right(index, store)
    rng = np.random.default_rng(0)
    for name in rng.permutation(names)[:20].tolist():
        with store.write() as tx:
            tx.papers.delete(name)
        assert_right(index, store)


@ON_SQLITE
def test_ties_go_by_id(store: Store) -> None:
    """Papers with equal vectors are ordered by id, however they were read."""
    index = SimilarPapers()
    names = add_papers(store, 11)
    store_vectors(store, dict.fromkeys(reversed(names), 5))
    assert [name for name, _ in nearest(index, store, 5)] == ["p0", "p1", "p10"]


def test_a_twin_has_cosine_one() -> None:
    """An equal vector has a cosine of exactly 1 and comes first, however sums are rounded."""
    vectors = HashingEncoder().encode([f"paper {i} of {i % 7}" for i in range(1_000)])
    names = [f"p{i}" for i in range(len(vectors))]
    state = similar._State("hashing", 1, ((names[:700], vectors[:700]), (names[700:], vectors[700:])))

    found = [max(state.nearest(vector, 1), key=lambda pair: pair[1]) for vector in vectors]

    assert found == [(f"p{i}", 1.0) for i in range(len(vectors))]


def test_what_another_process_wrote(sql_store: SqlStore, store_url: str) -> None:
    """A vector that another process stored is found by the next call."""
    index, elsewhere = SimilarPapers(), open_store(store_url)
    add_papers(sql_store, 3)
    store_vectors(sql_store, {"p0": 0, "p1": 1})
    assert_right(index, sql_store)
    store_vectors(elsewhere, {"p2": 2, "p0": 50})
    assert_right(index, sql_store)
    elsewhere.dispose()


@ON_SQLITE
def test_another_encoder(store: Store) -> None:
    """Vectors of two encoders are never mixed."""
    index = SimilarPapers()
    add_papers(store, 4)
    store_vectors(store, {"p0": 0, "p1": 1})
    store_vectors(store, {"p2": 2, "p3": 3}, "other")
    assert_right(index, store)
    with store.read() as tx:
        assert {name for name, _ in index.nearest(tx, "other", vector(0), limit=9)} == {"p2", "p3"}
    assert_right(index, store)


def test_an_older_transaction_reads_nothing_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that began before the last change uses the newer index instead of reading all again."""
    index = SimilarPapers()
    add_papers(store, 3)
    store_vectors(store, {"p0": 0})
    with store.read() as old:
        assert old.papers.vector_version("mini") == 1
        store_vectors(store, {"p1": 1})
        nearest(index, store, 0)
        state = index._state
        assert [name for name, _ in index.nearest(old, "mini", vector(0), limit=9)] == ["p0", "p1"]
        assert index._state is state


@ON_SQLITE
def test_callers_at_once_read_once(store: Store) -> None:
    """If many threads make the first call, one of them reads the vectors, and all get the same answer."""
    index, reads = SimilarPapers(), []
    store_vectors(store, {name: i for i, name in enumerate(add_papers(store, 9))})
    answers: list[list[tuple[str, float]]] = []

    def ask() -> None:
        with store.read() as tx:
            original = tx.papers.vector_parts

            def counted(encoder: str) -> object:
                reads.append(encoder)
                return original(encoder)

            tx.papers.vector_parts = counted  # type: ignore[method-assign, assignment]
            answers.append(index.nearest(tx, "mini", vector(3), limit=4))

    in_threads(*[ask] * 6)
    assert reads == ["mini"]
    assert all(answer == answers[0] for answer in answers)
    assert [name for name, _ in answers[0]] == [name for name, _ in expected(store, 3, 4)]
