"""Caches of vectors by encoder and text hash, in memory and on disk.

A broken cache costs time, but never changes a result.
"""

import contextlib
import logging
import math
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from service.app.cache import VersionedCache
from service.app.ports import Encoder, Vectors
from service.domain.papers import text_hash

SCHEMA_VERSION = 2
_UNORDERED = 1
"""The version whose vectors stood in the order of their hashes."""
APPLICATION_ID = 0x70666563
"""SQLite application id of our files, so that no other file is mistaken for a damaged cache and removed."""
_MAGIC, _MARK, _MARK_AT = b"SQLite format 3\0", APPLICATION_ID.to_bytes(4, "big"), slice(68, 72)
_TABLES = {"vectors"}
_COLUMNS = "encoder, text_hash, vector, crc32"
_INSERT = f"INSERT OR REPLACE INTO vectors ({_COLUMNS}) VALUES (?, ?, ?, ?)"  # noqa: S608 -- constants
BUSY_SECONDS = 5.0
KEPT_SHARE = 0.9
"""Share of the greatest size that is left when the oldest vectors are removed, so that this happens rarely."""
HASHES_PER_QUERY = 500  # Old SQLite builds allow 999 parameters.
# Measured overhead per vector: array, tuple, two strings and a dictionary entry.
ENTRY_OVERHEAD_BYTES = 500

logger = logging.getLogger(__name__)


class OpenedEncoder(Encoder, Protocol):
    """An encoder that must be closed. Thread safe."""

    def close(self) -> None:
        """Release processes and files. Calls in progress fail with EncoderUnavailable. May be repeated."""


class VectorCache(Protocol):
    """Keeps vectors of shape (dim,), float32. Thread safe. Problems of the cache never raise."""

    def get_many(self, encoder: str, hashes: Sequence[str]) -> dict[str, Vectors]:
        """Return the known vectors by text hash."""

    def put_many(self, encoder: str, vectors: Mapping[str, Vectors]) -> None:
        """Keep copies of the vectors by text hash, as far as there is room."""

    def close(self) -> None:
        """Release memory and files. The cache is empty afterwards."""


class ByteBoundedCache:
    """A cache in memory, which drops the least recently used vectors when it is full, but never the last one."""

    def __init__(self, max_bytes: int) -> None:
        """Create an empty cache. ``max_bytes`` includes an estimate of Python's overhead."""
        self._max_bytes = max_bytes
        self.close()

    def get_many(self, encoder: str, hashes: Sequence[str]) -> dict[str, Vectors]:
        """See ``VectorCache``. The vectors are read-only."""
        known = ((text, self._vectors.find((encoder, text), None)) for text in hashes)
        return {text: vector for text, vector in known if vector is not None}

    def put_many(self, encoder: str, vectors: Mapping[str, Vectors]) -> None:
        """See ``VectorCache``."""
        for text, vector in vectors.items():
            # A copy, because a view would keep the whole matrix of its call alive.
            kept = vector.copy()
            kept.flags.writeable = False
            self._vectors.put((encoder, text), None, kept)

    def close(self) -> None:
        """Drop all vectors."""
        self._vectors = VersionedCache[tuple[str, str], Vectors](self._max_bytes, _entry_bytes)


class EmbeddingCache:
    """A cache in an SQLite file, which several processes may share.

    A damaged cache, or one of another version, is replaced by a new one with a warning. A file that cannot be used for
    other reasons (locked, disk full, read-only, not a cache) stays as it is, and no vector is found or kept.
    """

    def __init__(self, path: Path, max_bytes: int = 0) -> None:
        """Create the cache without opening the file. The first use opens or creates it.

        Args:
            max_bytes: Size of the file above which the vectors that were stored first are removed; 0 means no limit.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._problem = ""
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False

    def get_many(self, encoder: str, hashes: Sequence[str]) -> dict[str, Vectors]:
        """See ``VectorCache``. Vectors with a wrong checksum are left out."""
        found = {}
        for start in range(0, len(hashes), HASHES_PER_QUERY):
            some = hashes[start : start + HASHES_PER_QUERY]
            for text, blob, checksum in self._rows(encoder, some):
                if zlib.crc32(blob) == checksum and len(blob) % 4 == 0:
                    found[text] = np.frombuffer(blob, "<f4").astype(np.float32)
        return found

    def put_many(self, encoder: str, vectors: Mapping[str, Vectors]) -> None:
        """See ``VectorCache``. If the file cannot be written, no vector is kept."""
        blobs = {text: vector.astype("<f4").tobytes() for text, vector in vectors.items()}
        rows = [(encoder, text, blob, zlib.crc32(blob)) for text, blob in blobs.items()]

        def write(connection: sqlite3.Connection) -> Iterable[tuple[str, bytes, int]]:
            with connection:
                connection.executemany(_INSERT, rows)
                if self._max_bytes:
                    _remove_oldest(connection, self._max_bytes)
            return ()

        self._run(write)

    def close(self) -> None:
        """Close the file. The vectors stay in it."""
        with self._lock:
            self._is_closed = True
            self._disconnect()

    def _rows(self, encoder: str, hashes: Sequence[str]) -> Iterable[tuple[str, bytes, int]]:
        marks = ", ".join("?" * len(hashes))
        query = (
            f"SELECT text_hash, CAST(vector AS BLOB), crc32 FROM vectors WHERE encoder = ? AND text_hash IN ({marks})"  # noqa: S608 -- only question marks
        )
        return self._run(lambda connection: connection.execute(query, (encoder, *hashes)).fetchall())

    def _run(
        self, action: Callable[[sqlite3.Connection], Iterable[tuple[str, bytes, int]]]
    ) -> Iterable[tuple[str, bytes, int]]:
        """Return the result of the action, or nothing if the file cannot be used."""
        with self._lock:
            try:
                return action(self._opened())
            except sqlite3.OperationalError as error:
                # Once for each problem: a cache is asked for every few texts.
                if str(error) != self._problem:
                    self._problem = str(error)
                    logger.warning("embedding cache %s is not used: %s", self._path, error)
            except sqlite3.DatabaseError as error:
                logger.warning("embedding cache %s is damaged (%s); starting a new one", self._path, error)
                self._remove()
            return ()

    def _opened(self) -> sqlite3.Connection:
        if self._is_closed:
            raise sqlite3.OperationalError("it was closed")
        if self._connection is None:
            self._connection = self._connected()
        return self._connection

    def _check_own(self) -> None:
        """Raise OperationalError if the file is not an embedding cache."""
        try:
            with self._path.open("rb") as file:
                head = file.read(100)
        except FileNotFoundError:
            return
        except OSError as error:
            raise sqlite3.OperationalError(str(error.strerror)) from error
        if head and (not head.startswith(_MAGIC) or (head[_MARK_AT] != _MARK and self._tables() - _TABLES)):
            raise sqlite3.OperationalError("it is not an embedding cache; name another file")

    def _tables(self) -> set[str]:
        """Return the tables of a database without our application id, as caches of the first version are."""
        try:
            with contextlib.closing(
                sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
            ) as connection:
                return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        except sqlite3.DatabaseError as error:
            raise sqlite3.OperationalError(
                f"it cannot be read, so it may not be an embedding cache ({error})"
            ) from error

    def _connected(self) -> sqlite3.Connection:
        self._check_own()
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            # Before WAL mode, so that the id is written into the file itself.
            if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("PRAGMA journal_mode = WAL")
            # A power cut may lose the last commits, which a cache can afford.
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _UNORDERED, SCHEMA_VERSION):
                raise sqlite3.DatabaseError(f"its version is {version}, not {SCHEMA_VERSION}")
            if version != SCHEMA_VERSION:
                _make_table(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _remove(self) -> None:
        self._disconnect()
        for suffix in ("", "-wal", "-shm"):
            try:
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            except OSError as error:
                logger.warning("embedding cache %s cannot be removed: %s", self._path, error.strerror)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class CachedEncoder:
    """An encoder with caches. It encodes only texts that no cache has, and equal texts of a call once."""

    def __init__(self, encoder: OpenedEncoder, *caches: VectorCache) -> None:
        """Create it with caches, fastest first. Each cache gets the vectors that later caches or the encoder had."""
        self._encoder = encoder
        self._caches = caches

    @property
    def name(self) -> str:
        """Name of the encoder."""
        return self._encoder.name

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        """See ``ports.Encoder``. Cached texts need no time of ``timeout_seconds``."""
        return self._encode(texts, lambda missing: self._encoder.encode(missing, timeout_seconds=timeout_seconds))

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """See ``OpenedEncoder``."""
        return self._encode(texts, self._encoder.encode_in_background)

    def close(self) -> None:
        """Close the encoder and the caches."""
        self._encoder.close()
        for cache in self._caches:
            cache.close()

    def _encode(self, texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors]) -> Vectors:
        if not texts:
            return encode(texts)
        hashes = [text_hash(text) for text in texts]
        unique = dict(zip(hashes, texts, strict=True))
        found: dict[str, Vectors] = {}
        for i, cache in enumerate(self._caches):
            new = cache.get_many(self.name, [text for text in unique if text not in found])
            self._put(new, self._caches[:i])
            found |= new
        missing = [text for text in unique if text not in found]
        if missing:
            fresh = dict(zip(missing, encode([unique[text] for text in missing]), strict=True))
            self._put(fresh, self._caches)
            found |= fresh
        return np.stack([found[text] for text in hashes])

    def _put(self, vectors: Mapping[str, Vectors], caches: Sequence[VectorCache]) -> None:
        if vectors:
            for cache in caches:
                cache.put_many(self.name, vectors)


def _make_table(connection: sqlite3.Connection) -> None:
    """Create the table, with the vectors of the first version if there are any."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have made it meanwhile.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == SCHEMA_VERSION:
            return
        if version == _UNORDERED:
            connection.execute("ALTER TABLE vectors RENAME TO unordered")
        # Vectors stand in the order in which they were stored, so that removing the oldest frees whole pages.
        connection.execute(
            "CREATE TABLE vectors (place INTEGER PRIMARY KEY, encoder TEXT NOT NULL, text_hash TEXT NOT NULL,"
            " vector BLOB NOT NULL, crc32 INTEGER NOT NULL, UNIQUE (encoder, text_hash))"
        )
        if version == _UNORDERED:
            connection.execute(f"INSERT INTO vectors ({_COLUMNS}) SELECT {_COLUMNS} FROM unordered")  # noqa: S608 -- constants
            connection.execute("DROP TABLE unordered")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _remove_oldest(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Remove the vectors that were stored first, if all together take more than ``max_bytes``."""
    page_size, pages, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    used = (pages - free) * page_size
    if used > max_bytes:
        first, last = connection.execute("SELECT min(place), max(place) FROM vectors").fetchone()
        surplus = math.ceil((last - first + 1) * (1 - KEPT_SHARE * max_bytes / used))
        connection.execute("DELETE FROM vectors WHERE place < ?", (first + surplus,))


def _entry_bytes(vector: Vectors) -> int:
    return vector.nbytes + ENTRY_OVERHEAD_BYTES
