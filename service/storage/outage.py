"""Logging of database outages."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

from sqlalchemy import URL

from service.domain.errors import StorageUnavailable
from service.storage.errors import ERRORS

LONG_WAIT_SECONDS = 1.0
SHOWN_SECONDS = 60.0
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
        self._last_failure = 0.0, ""
        self._waiting: dict[int, float] = {}

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Watch a block that is one transaction, and translate its errors. The block calls ``began`` at its beginning.

        Raises:
            StorageUnavailable: The database is lost, locked or full.
        """
        self._waiting[threading.get_ident()] = time.monotonic()
        try:
            with ERRORS.translated():
                yield
        except StorageUnavailable as error:
            self._failed(error)
            raise
        finally:
            self.began()
        # An error of another kind says nothing about the database.
        if self._began is not None:
            self._worked()

    def began(self) -> None:
        """Note that this thread's transaction has begun."""
        self._waiting.pop(threading.get_ident(), None)

    def problem(self) -> str:
        """Return why transactions fail or wait at present; empty if none does.

        A failure counts until a transaction succeeds, but at most for a minute, because no other transaction may
        follow.
        """
        now = time.monotonic()
        waited = now - min(self._waiting.copy().values(), default=now)
        if waited > LONG_WAIT_SECONDS:
            return StorageUnavailable(f"a {self._access} has been waiting for {waited:.0f} s").message
        at, message = self._last_failure
        return message if self._began is not None and now - at < SHOWN_SECONDS else ""

    def _failed(self, error: StorageUnavailable) -> None:
        with self._lock:
            self._last_failure = time.monotonic(), error.message
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
