"""When a database stops answering, and that its file is still the one that was opened."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL

from service.domain.errors import StorageUnavailable
from service.storage.engine import mapped_errors

_log = logging.getLogger("paperfeed.storage")


class Outage:
    """Turns errors as ``mapped_errors`` does, and tells the log of each outage once: its cause, and its end.

    Args:
        door: What is tried; reads may succeed while writes fail.
    """

    def __init__(self, door: str, url: URL) -> None:
        self._door = door
        self._secrets = [str(secret) for secret in (url.password, url.query.get("password")) if secret]
        self._lock = threading.Lock()
        self._began: float | None = None

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """The block is a transaction."""
        try:
            with mapped_errors():
                yield
        except StorageUnavailable as error:
            self._failed(error)
            raise
        # What else the block raised has nothing to do with the database.
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
        facts = {"door": self._door, "problem": error.message, "cause": text}
        _log.warning("database not available", extra={"facts": facts})

    def _worked(self) -> None:
        with self._lock:
            if self._began is None:
                return
            seconds, self._began = time.monotonic() - self._began, None
        _log.warning(
            "database available again", extra={"facts": {"door": self._door, "after_seconds": round(seconds, 1)}}
        )


class DatabaseFile:
    """SQLite's file. An open one can be written to after it was deleted: what is acknowledged then is lost."""

    def __init__(self, url: URL) -> None:
        self._path = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        self._opened: tuple[int, int] | None = None
        self._is_told = False

    def check(self) -> None:
        """Costs some microseconds; the first call takes the file as it is.

        Raises:
            StorageUnavailable: It is not there any more, or another one is in its place.
        """
        if self._path is None:
            return
        found = self._identity(self._path)
        if self._opened is None:
            self._opened = found
        elif found != self._opened:
            problem = "its file was removed or replaced while it was open; put it back or start again"
            if not self._is_told:
                self._is_told = True
                _log.error("database file is gone", extra={"facts": {"path": self._path}})
            raise StorageUnavailable(problem)

    def _identity(self, path: Path) -> tuple[int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
