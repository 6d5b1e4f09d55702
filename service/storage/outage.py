"""Logging of database outages, and the check that an SQLite file is still the one that was opened."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL

from service.domain.errors import StorageUnavailable
from service.storage.errors import ERRORS

_log = logging.getLogger("paperfeed.storage")


class OutageLog:
    """Logs each outage once: its cause when it begins, and its duration when it ends.

    Args:
        access: ``read`` or ``write``; reads may succeed while writes fail.
        url: URL of the database; its password is removed from logged texts.
    """

    def __init__(self, access: str, url: URL) -> None:
        self._access = access
        self._secrets = [str(secret) for secret in (url.password, url.query.get("password")) if secret]
        self._lock = threading.Lock()
        self._began: float | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Watch a block that is one transaction, and translate its errors.

        Raises:
            StorageUnavailable: The database is lost, locked or full.
        """
        try:
            with ERRORS.translated():
                yield
        except StorageUnavailable as error:
            self._failed(error)
            raise
        # An error of another kind says nothing about the database.
        if self._began is not None:
            self._worked()

    def _failed(self, error: StorageUnavailable) -> None:
        with self._lock:
            if self._began is not None:
                return
            self._began = time.monotonic()
        cause = getattr(error.__cause__, "orig", error.__cause__)
        text = " ".join(str(cause).split()) if cause is not None else ""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        facts = {"access": self._access, "problem": error.message, "cause": text}
        _log.warning("database not available", extra={"facts": facts})

    def _worked(self) -> None:
        with self._lock:
            if self._began is None:
                return
            seconds, self._began = time.monotonic() - self._began, None
        facts = {"access": self._access, "after_seconds": round(seconds, 1)}
        _log.warning("database available again", extra={"facts": facts})


class DatabaseFile:
    """The SQLite file of a store. Writes to a file that was deleted while open would be acknowledged and lost."""

    def __init__(self, url: URL) -> None:
        self._path = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        self._opened: tuple[int, int] | None = None
        self._is_logged = False

    def check(self) -> None:
        """Compare the file with the one that the first call found. Takes some microseconds.

        Raises:
            StorageUnavailable: The file was removed, or another file took its place.
        """
        if self._path is None:
            return
        found = None
        with contextlib.suppress(OSError):
            status = self._path.stat()
            found = status.st_dev, status.st_ino
        if self._opened is None:
            self._opened = found
        elif found != self._opened:
            if not self._is_logged:
                self._is_logged = True
                _log.error("database file is gone", extra={"facts": {"path": self._path}})
            raise StorageUnavailable("its file was removed or replaced while it was open; put it back or start again")
