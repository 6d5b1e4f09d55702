"""The check that the files of an SQLite database are still those that were opened."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from itertools import starmap
from pathlib import Path

from sqlalchemy import URL, Engine

_log = logging.getLogger("paperfeed.storage")
_PARTS = ("", "-wal", "-shm")
_Found = tuple[tuple[int, int] | None, ...]
"""Device and inode of the file of each part; None where there is none, and for an empty database."""


class DatabaseFiles:
    """The files of an SQLite database that this process has open: the database, its write-ahead log and its index.

    Writes to a file that was removed, replaced or emptied would be acknowledged, but lost when the last process closes
    it. SQLite itself removes the log only when no process has the database open.

    Args:
        url: URL of the database. Databases on PostgreSQL have no files here.
        unavailable: Called with the problem; returns the error to raise.
    """

    def __init__(self, url: URL, unavailable: Callable[[str], Exception]) -> None:
        self._path = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        # Each transaction looks at all parts twice, so their names are made once.
        self._parts = [(f"{self._path}{part}", part) for part in _PARTS]
        self._unavailable = unavailable
        self._opened: _Found = ()
        self._is_told = False
        self._is_saved = False

    @contextlib.contextmanager
    def checked(self, engine: Engine, others: Engine) -> Iterator[None]:
        """Check the files before the block and after it. Takes some microseconds.

        Args:
            engine: Engine that the block connects to.
            others: The other engine on the same files.

        Raises:
            unavailable: A file was removed, replaced or emptied; what the block has written may be lost.
        """
        # Checked first, because a new connection would create empty files in place of removed ones.
        self._check(engine, others)
        yield
        self._check(engine, others)

    def opened(self) -> None:
        """Remember the files as they are now. The first connection calls this."""
        if self._path is not None and len(self._opened) < len(_PARTS):
            self._opened = tuple(starmap(_found, self._parts))

    def closed(self) -> None:
        """Forget the files, because all connections are closed."""
        self._opened = ()

    def _check(self, *engines: Engine) -> None:
        if self._path is None:
            return
        opened = self._opened
        if not opened:
            # Without a connection, only the database itself must stay the same.
            self._opened = (_found(*self._parts[0]),)
            return
        found = tuple(starmap(_found, self._parts[: len(opened)]))
        if found == opened:
            return
        part = next(part for part, now, then in zip(_PARTS, found, opened, strict=False) if now != then)
        # If another process has created new files, nothing is changed.
        if part and all(now in {None, then} for now, then in zip(found, opened, strict=True)):
            self._save(engines)
        if not self._is_told:
            self._is_told = True
            _log.error("database file is gone", extra={"facts": {"path": f"{self._path}{part}"}})
        name = "its file" if not part else f"its file {self._path.name}{part}"
        advice = "put it back or start again" if not part else "start again"
        raise self._unavailable(f"{name} was removed, replaced or emptied while it was open; {advice}")

    def _save(self, engines: tuple[Engine, ...]) -> None:
        """Copy what the removed log holds into the database, once. An open connection still has the log.

        No other process has created a new log, because there is none.
        """
        if self._is_saved:
            return
        for engine in engines:
            if engine.pool.checkedin():  # type: ignore[attr-defined]
                with contextlib.closing(engine.raw_connection()) as connection, contextlib.suppress(Exception):
                    answer = connection.cursor().execute("PRAGMA wal_checkpoint")
                    busy, pages, copied = answer.fetchone()
                    self._is_saved = not busy and pages == copied
                if self._is_saved:
                    _log.warning("write-ahead log is gone; its content was saved")
                    return


def _found(name: str, part: str) -> tuple[int, int] | None:
    """Return device and inode of the file with this name; None if there is none, and for an empty database."""
    try:
        status = os.stat(name)  # noqa: PTH116 -- a Path takes longer than the call
    except OSError:
        return None
    # The index may be empty for a moment, but never the database.
    return (status.st_dev, status.st_ino) if part or status.st_size else None
