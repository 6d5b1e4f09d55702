"""Caches of vectors, and the encoder behind them."""

import contextlib
import sqlite3
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from service.app.ports import Vectors
from service.domain.papers import text_hash
from service.encoder import open_encoder
from service.encoder.cache import ByteBoundedCache, CachedEncoder, EmbeddingCache, VectorCache
from service.encoder.hashing import HashingEncoder


class CountingEncoder(HashingEncoder):
    """An encoder that records its calls."""

    def __init__(self, name: str = "counting") -> None:
        self.name = name
        self.asked: list[list[str]] = []

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        self.asked.append(list(texts))
        return super().encode(texts, timeout_seconds=timeout_seconds)


MAKERS: dict[str, Callable[[Path], VectorCache]] = {
    "memory": lambda _: ByteBoundedCache(1_000_000),
    "disk": lambda folder: EmbeddingCache(folder / "vectors.db"),
}


@pytest.fixture(params=MAKERS)
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> VectorCache:
    """An empty cache of each kind."""
    return MAKERS[request.param](tmp_path)


def vectors_of(*texts: str) -> dict[str, Vectors]:
    """Return the vectors of the hashing encoder by text."""
    return dict(zip(texts, HashingEncoder().encode(texts), strict=True))


def test_vectors_come_back_bit_for_bit(cache: VectorCache) -> None:
    """A cache returns the vectors of the same encoder that were put, and no others."""
    stored = vectors_of("a", "b")

    cache.put_many("one", stored)
    found = cache.get_many("one", ["b", "a", "c"])

    assert found.keys() == {"a", "b"}
    assert all(np.array_equal(found[text], stored[text]) for text in stored)
    assert cache.get_many("two", ["a"]) == {}


def test_many_vectors_at_once(cache: VectorCache) -> None:
    """More vectors than one SQL statement can name are put and found."""
    stored = vectors_of(*(str(i) for i in range(1100)))

    cache.put_many("one", dict(list(stored.items())[:3]))
    cache.put_many("one", stored)

    found = cache.get_many("one", list(stored))
    assert len(found) == 1100 or isinstance(cache, ByteBoundedCache)
    assert all(np.array_equal(found[text], stored[text]) for text in found)


def test_a_closed_cache_gives_nothing(cache: VectorCache) -> None:
    """After close a cache is empty, and calls do not raise."""
    cache.put_many("one", vectors_of("a"))
    cache.close()
    cache.close()

    assert cache.get_many("one", ["a"]) == {}


def test_many_threads_may_use_a_cache(cache: VectorCache) -> None:
    """Eight threads that write and read at the same time find what they wrote."""
    failures: list[str] = []

    def work(name: str) -> None:
        for i in range(20):
            stored = vectors_of(f"{name} {i}")
            cache.put_many(name, stored)
            if cache.get_many(name, list(stored)).keys() != stored.keys():
                failures.append(name)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


def test_memory_is_bounded_and_keeps_what_is_used() -> None:
    """The cache keeps its size limit and drops the least recently used vectors."""
    cache = ByteBoundedCache(3 * (384 * 4 + 500))
    cache.put_many("e", vectors_of("a", "b", "c"))
    cache.get_many("e", ["a"])

    cache.put_many("e", vectors_of("d"))

    assert cache.get_many("e", ["a", "b", "c", "d"]).keys() == {"a", "c", "d"}
    small = ByteBoundedCache(100)
    small.put_many("e", vectors_of("a", "b"))
    assert small.get_many("e", ["a", "b"]).keys() == {"b"}


def test_vectors_in_memory_cannot_be_changed() -> None:
    """Changes of the caller's matrix, or of a returned vector, do not change the cache."""
    cache, matrix = ByteBoundedCache(10_000), HashingEncoder().encode(["a"])
    kept = matrix.copy()
    cache.put_many("e", {"a": matrix[0]})

    matrix[:] = 0

    assert np.array_equal(cache.get_many("e", ["a"])["a"], kept[0])
    with pytest.raises(ValueError, match="read-only"):
        cache.get_many("e", ["a"])["a"][0] = 1


def test_the_disk_remembers(tmp_path: Path) -> None:
    """A second cache on the same file finds the vectors of the first while both are open."""
    first, second = EmbeddingCache(tmp_path / "vectors.db"), EmbeddingCache(tmp_path / "vectors.db")

    first.put_many("e", vectors_of("a"))

    assert second.get_many("e", ["a"]).keys() == {"a"}


@pytest.mark.parametrize("damage", ["schema", "inside", "version"])
def test_a_damaged_file_starts_anew(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file, or one of another version, is replaced with a warning, and the cache works."""
    path = tmp_path / "vectors.db"
    cache = EmbeddingCache(path)
    cache.put_many("e", vectors_of(*(str(i) for i in range(100))))
    cache.close()
    content = bytearray(path.read_bytes())
    if damage == "schema":
        content[100:] = b"\xff" * (len(content) - 100)
        path.write_bytes(content)
    elif damage == "inside":
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    cache = EmbeddingCache(path)

    assert cache.get_many("e", ["1"]) == {}
    cache.put_many("e", vectors_of("a"))

    assert cache.get_many("e", ["a"]).keys() == {"a"}
    assert "damaged" in caplog.text


@pytest.mark.parametrize("kind", ["text", "database", "broken database"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is not a cache is neither removed nor changed."""
    path = tmp_path / "page.txt"
    if kind == "text":
        path.write_text("Trending papers of the week")
    else:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE papers (paper_id TEXT)")
    if kind == "broken database":
        path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8092)
    before = path.read_bytes()
    cache = EmbeddingCache(path)

    cache.put_many("e", vectors_of("a"))

    assert cache.get_many("e", ["a"]) == {}
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert "is not used" in caplog.text


def test_a_cache_without_a_mark_serves_on(tmp_path: Path) -> None:
    """A cache without an application id, of the first version, is used and gets the id."""
    path = tmp_path / "vectors.db"
    cache = EmbeddingCache(path)
    cache.put_many("e", vectors_of("a"))
    cache.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 0")

    assert EmbeddingCache(path).get_many("e", ["a"]).keys() == {"a"}


def test_a_cache_of_the_first_version_serves_on(tmp_path: Path) -> None:
    """The vectors of a cache in the order of their hashes are found, and new ones are kept."""
    path, old = tmp_path / "vectors.db", vectors_of("old")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE vectors (encoder TEXT, text_hash TEXT, vector BLOB NOT NULL, crc32 INTEGER NOT NULL,"
            " PRIMARY KEY (encoder, text_hash)) WITHOUT ROWID"
        )
        blob = old["old"].tobytes()
        connection.execute("INSERT INTO vectors VALUES ('e', 'old', ?, ?)", (blob, zlib.crc32(blob)))
        connection.execute("PRAGMA user_version = 1")
    cache = EmbeddingCache(path)
    cache.put_many("e", vectors_of("new"))

    found = cache.get_many("e", ["old", "new"])
    assert found.keys() == {"old", "new"}
    assert np.array_equal(found["old"], old["old"])


@pytest.mark.parametrize("batch", [10, 400])
def test_the_size_on_disk_is_limited(tmp_path: Path, batch: int) -> None:
    """Above the limit the vectors stored first are removed; the file stays near the limit and full of new vectors."""
    limit, texts = 1_000_000, [str(i) for i in range(2_000)]
    cache = EmbeddingCache(tmp_path / "vectors.db", limit)
    for start in range(0, len(texts), batch):
        cache.put_many("e", vectors_of(*texts[start : start + batch]))
    kept = cache.get_many("e", texts)
    cache.close()

    assert (tmp_path / "vectors.db").stat().st_size < limit + batch * 4_096
    # A vector takes 1,536 bytes, and a little more with its key and its share of a page.
    assert 0.6 * limit / 1_536 < len(kept) < limit / 1_536
    assert set(texts[-200:]) <= set(kept)


def test_a_small_limit(tmp_path: Path) -> None:
    """A limit below the size of one batch is no error."""
    cache = EmbeddingCache(tmp_path / "vectors.db", 1)

    cache.put_many("e", vectors_of("a", "b"))

    assert cache.get_many("e", ["a", "b"]) == {}


def test_a_problem_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A cache that cannot be used says so once, not at every call."""
    cache = EmbeddingCache(tmp_path / "none" / "vectors.db")

    for _ in range(3):
        cache.get_many("e", ["a"])

    assert caplog.text.count("is not used") == 1


def test_a_flipped_bit_is_not_served(tmp_path: Path) -> None:
    """A vector with changed bytes is left out, and the others are found."""
    cache = EmbeddingCache(tmp_path / "vectors.db")
    cache.put_many("e", vectors_of("a", "b"))
    connection = sqlite3.connect(tmp_path / "vectors.db")
    with connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE text_hash = 'a'")
    connection.close()

    assert cache.get_many("e", ["a", "b"]).keys() == {"b"}


def test_a_file_that_cannot_be_opened_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without its folder the cache finds nothing and logs a warning."""
    encoder = CachedEncoder(CountingEncoder(), EmbeddingCache(tmp_path / "none" / "vectors.db"))

    assert encoder.encode(["a"]).shape == (1, 384)
    assert "is not used" in caplog.text


def test_only_missing_texts_are_embedded_once() -> None:
    """Equal and cached texts are not encoded again, and each row belongs to its text."""
    inner = CountingEncoder()
    encoder = CachedEncoder(inner, ByteBoundedCache(1_000_000))
    encoder.encode(["b"])

    vectors = encoder.encode(["a", "b", "a", "c"])

    assert inner.asked == [["b"], ["a", "c"]]
    assert np.array_equal(vectors, HashingEncoder().encode(["a", "b", "a", "c"]))
    assert vectors.flags.c_contiguous
    assert vectors.flags.writeable
    assert encoder.encode([]).shape == (0, 384)


def test_each_cache_learns_from_the_later_ones() -> None:
    """Vectors of the second cache are put into the first, and new vectors into both."""
    near, far, inner = ByteBoundedCache(1_000_000), ByteBoundedCache(1_000_000), CountingEncoder()
    far.put_many("counting", {text_hash("a"): HashingEncoder().encode(["a"])[0]})

    CachedEncoder(inner, near, far).encode(["a", "b"])

    assert inner.asked == [["b"]]
    assert len(near.get_many("counting", [text_hash("a"), text_hash("b")])) == 2
    assert len(far.get_many("counting", [text_hash("b")])) == 1


def test_background_calls_use_the_cache_too() -> None:
    """An urgent call finds the vectors of a background call."""
    inner = CountingEncoder()
    encoder = CachedEncoder(inner, ByteBoundedCache(1_000_000))

    encoder.encode_in_background(["a"])
    encoder.encode(["a"])

    assert inner.asked == [["a"]]


def test_open_encoder_puts_the_parts_together(tmp_path: Path) -> None:
    """The opened encoder has its name, keeps vectors on disk, and can be closed twice."""
    encoder = open_encoder("hashing", cache_path=tmp_path / "vectors.db", memory_cache_bytes=10_000)

    vectors = encoder.encode(["a text"])
    encoder.close()
    encoder.close()

    assert encoder.name == "hashing-384"
    kept = EmbeddingCache(tmp_path / "vectors.db").get_many("hashing-384", [text_hash("a text")])
    assert np.array_equal(kept[text_hash("a text")], vectors[0])
