"""Vectors kept by encoder and text, on disk and in memory, in front of an encoder.

A cache only saves work: whatever happens to it, the answer is that of the encoder.
"""

import contextlib
import logging
import sqlite3
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from service.app.ports import Vectors
from service.domain.papers import text_hash
from service.encoder.opened import OpenedEncoder

SCHEMA_VERSION = 1
APPLICATION_ID = 0x70666563
"""Stands in the header of our files, so that no other one is ever taken for a damaged cache and removed."""
_MAGIC, _MARK = b"SQLite format 3\0", slice(68, 72)
_TABLES = {"vectors"}
BUSY_SECONDS = 5.0
HASHES_PER_QUERY = 500  # Old SQLite builds allow 999 parameters.
# What Python adds to a vector's own bytes: array, tuple, two strings and a place in the dictionary, measured.
ENTRY_OVERHEAD_BYTES = 500

logger = logging.getLogger(__name__)


class VectorCache(Protocol):
    """Remembers vectors of shape (dim,) float32. Thread safe; never raises for what is wrong with the cache."""

    def get_many(self, encoder: str, hashes: Sequence[str]) -> dict[str, Vectors]:
        """Vectors by text hash; what is not there is left out."""

    def put_many(self, encoder: str, vectors: Mapping[str, Vectors]) -> None:
        """Keeps copies by text hash, as far as there is room."""

    def close(self) -> None:
        """Frees what the cache holds; it is empty from then on."""


class ByteBoundedCache:
    """In memory; when full, what was asked for least recently goes first."""

    def __init__(self, max_bytes: int) -> None:
        """Args: max_bytes: Of vectors and what surrounds them, about."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._vectors: OrderedDict[tuple[str, str], Vectors] = OrderedDict()

    def get_many(self, encoder: str, hashes: Sequence[str]) -> dict[str, Vectors]:
        """As ``VectorCache`` says; the vectors are read-only."""
        found = {}
        with self._lock:
            for text in hashes:
                if (vector := self._vectors.get((encoder, text))) is not None:
                    self._vectors.move_to_end((encoder, text))
                    found[text] = vector
        return found

    def put_many(self, encoder: str, vectors: Mapping[str, Vectors]) -> None:
        """As ``VectorCache`` says."""
        with self._lock:
            for text, vector in vectors.items():
                # A view would keep the whole matrix of its call alive.
                kept = vector.copy()
                kept.flags.writeable = False
                old = self._vectors.pop((encoder, text), None)
                self._vectors[encoder, text] = kept
                self._bytes += _entry_bytes(kept) - (0 if old is None else _entry_bytes(old))
            while self._bytes > self._max_bytes:
                self._bytes -= _entry_bytes(self._vectors.popitem(last=False)[1])

    def close(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._vectors.clear()
            self._bytes = 0


class EmbeddingCache:
    """In one SQLite file that several processes may share.

    A cache that is damaged, or of another version, is replaced by a new one with a warning; a file that cannot be used
    for other reasons (locked, disk full, read only, or something else than a cache) is left alone and gives nothing.
    """

    def __init__(self, path: Path) -> None:
        """Touches nothing yet: the first use opens the file, or starts it."""
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False

    def get_many(self, encoder: str, hashes: Sequence[str]) -> dict[str, Vectors]:
        """As ``VectorCache`` says; a vector whose checksum is wrong is left out."""
        found = {}
        for start in range(0, len(hashes), HASHES_PER_QUERY):
            some = hashes[start : start + HASHES_PER_QUERY]
            for text, blob, checksum in self._rows(encoder, some):
                if zlib.crc32(blob) == checksum and len(blob) % 4 == 0:
                    found[text] = np.frombuffer(blob, "<f4").astype(np.float32)
        return found

    def put_many(self, encoder: str, vectors: Mapping[str, Vectors]) -> None:
        """As ``VectorCache`` says; all of them or, when the file cannot be written, none."""
        blobs = {text: vector.astype("<f4").tobytes() for text, vector in vectors.items()}
        rows = [(encoder, text, blob, zlib.crc32(blob)) for text, blob in blobs.items()]

        def write(connection: sqlite3.Connection) -> Iterable[tuple[str, bytes, int]]:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
            return ()

        self._run(write)

    def close(self) -> None:
        """Closes the file; the vectors stay in it."""
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
        """What the action gives; nothing when the file cannot be used."""
        with self._lock:
            try:
                return action(self._opened())
            except sqlite3.OperationalError as error:
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
        """Raises OperationalError for a file that is something else."""
        try:
            with self._path.open("rb") as file:
                head = file.read(100)
        except FileNotFoundError:
            return
        except OSError as error:
            raise sqlite3.OperationalError(str(error.strerror)) from error
        if head and (not head.startswith(_MAGIC) or (head[_MARK] != _mark() and self._tables() - _TABLES)):
            raise sqlite3.OperationalError("it is no embedding cache; name another file")

    def _tables(self) -> set[str]:
        """Of a database; those of the first version have no mark."""
        try:
            with contextlib.closing(
                sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
            ) as connection:
                return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        except sqlite3.DatabaseError as error:
            raise sqlite3.OperationalError(f"whether it is an embedding cache cannot be read ({error})") from error

    def _connected(self) -> sqlite3.Connection:
        self._check_own()
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            # In the file itself before there is a log beside it.
            if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("PRAGMA journal_mode = WAL")
            # The last commits may be lost with the power; they are only a cache's.
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, SCHEMA_VERSION):
                raise sqlite3.DatabaseError(f"its version is {version}, not {SCHEMA_VERSION}")
            with connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (encoder TEXT, text_hash TEXT, vector BLOB NOT NULL,"
                    " crc32 INTEGER NOT NULL, PRIMARY KEY (encoder, text_hash)) WITHOUT ROWID"
                )
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
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
    """An encoder that is only asked for texts that no cache has, and once for equal texts of a call."""

    def __init__(self, encoder: OpenedEncoder, *caches: VectorCache) -> None:
        """Args: caches: The fastest first; each learns what a later one, or the encoder, knew. Closed with this."""
        self._encoder = encoder
        self._caches = caches

    @property
    def name(self) -> str:
        """The encoder's."""
        return self._encoder.name

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        """As ``ports.Encoder`` says; what is cached needs neither time nor the encoder."""
        return self._encode(texts, lambda missing: self._encoder.encode(missing, timeout_seconds=timeout_seconds))

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """As ``OpenedEncoder`` says."""
        return self._encode(texts, self._encoder.encode_in_background)

    def close(self) -> None:
        """Closes the encoder and the caches."""
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


def _mark() -> bytes:
    return APPLICATION_ID.to_bytes(4, "big")


def _entry_bytes(vector: Vectors) -> int:
    return vector.nbytes + ENTRY_OVERHEAD_BYTES
