"""The clock, the database and the encoder that the settings name, for a server and for commands that need no server.

Commands that import papers or likes start in half the time with these alone.
"""

import datetime as dt
import logging
from pathlib import Path

from platformdirs import user_cache_path

from service.config import DEFAULT_CACHE, Settings
from service.domain.errors import StorageUnavailable
from service.encoder import HASHING, OpenedEncoder, open_encoder
from service.storage import SqlStore, open_store, schema

_log = logging.getLogger("paperfeed.server")
STATEMENT_TIMEOUT_SECONDS = 20.0
"""Limit for one statement on PostgreSQL. The slowest of a server take a second with a million papers."""
INLINE_CACHE_BYTES = 64 * 1024 * 1024


class SystemClock:
    """The system clock."""

    def now(self) -> dt.datetime:
        """Return the current time as an aware UTC datetime."""
        return dt.datetime.now(dt.UTC)


def prepare_store(settings: Settings, *, may_make: bool = True) -> SqlStore:
    """Open the database; create its tables if it is empty and ``may_make``.

    Raises:
        SchemaMismatch: The database was created by another version. It is not migrated unless the user asks for it.
        StorageUnavailable: The database does not answer, or is empty and must not be created.
    """
    if schema.current_revision(settings.db) is None:
        if not may_make:
            raise StorageUnavailable("it is missing or empty, and other processes may still have the old one open")
        _, revision = schema.upgrade(settings.db)
        _log.info("tables created", extra={"facts": {"revision": revision}})
    schema.check(settings.db)
    # A connection for each worker thread and for the background threads.
    return open_store(
        settings.db, pool_size=3 * settings.threads + 4, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS
    )


def cache_file(settings: Settings) -> Path | None:
    """Return the file of the embedding cache for commands; None without one.

    The folder of the default file is made. Where that is not possible, there is no file.
    """
    if settings.embedding_cache != DEFAULT_CACHE:
        return settings.cache_path
    # The hashing encoder is faster than a file.
    if settings.encoder == HASHING:
        return None
    folder = user_cache_path("paperfeed", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        # Nobody asked for this file, and a container may have no folder to write to.
        return None
    return folder / "vectors.sqlite"


def make_encoder(settings: Settings, *, cache_path: Path | None = None) -> OpenedEncoder:
    """Open the configured encoder; its process starts with the first text.

    Args:
        cache_path: See ``cache_file``; None keeps vectors in memory only.
    """
    return open_encoder(
        settings.encoder,
        idle_seconds=settings.encoder_idle_seconds,
        threads=settings.encoder_threads or None,
        device=settings.encoder_device,
        cache_path=cache_path,
        cache_max_bytes=settings.embedding_cache_megabytes * 1_000_000,
        memory_cache_bytes=INLINE_CACHE_BYTES,
    )
