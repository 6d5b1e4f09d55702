"""The API keys and granted certificates as a server process knows them.

They are kept in memory, so that a check needs no statement. A background thread reads them again every
``REFRESH_SECONDS``, and writes when they were last used.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from service.app.ports import Clock, Store
from service.app.rounds import Rounds
from service.domain.callers import ApiKey, Caller, key_id_of
from service.domain.errors import StorageUnavailable

REFRESH_SECONDS = 2.0
"""A revoked key is refused after this time, and after the time of one read."""
# Least time between two reads, which calls with unknown keys start.
PAUSE_SECONDS = 0.2
# While the database does not answer, the keys that were read last stay valid for this time.
MAX_AGE_SECONDS = 60.0
USE_SECONDS = 60.0
"""How often the times of last use are written."""
_log = logging.getLogger("paperfeed.callers")


class KnownCallers(Rounds):
    """Finds callers by API key or certificate. Thread safe. Call ``start`` before the first call."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__("callers", _log, "the API keys could not be read", REFRESH_SECONDS)
        self._store = store
        self._clock = clock
        self._keys: Mapping[str, ApiKey] = {}
        self._certificates: Mapping[str, ApiKey] = {}
        self._callers: Mapping[str, Caller] = {}
        self._used: dict[str, dt.datetime] = {}
        self._read_at = self._wrote_at = time.monotonic()
        self._lock = threading.Lock()
        self._waiting: list[Future[None]] = []

    def start(self) -> None:
        """Read the keys, then start the thread.

        Raises:
            StorageUnavailable: The database does not answer.
        """
        self._read()
        super().start()

    def stop(self) -> None:
        """End the thread, and write the times of last use."""
        super().stop()
        self._write_use()

    @property
    def is_empty(self) -> bool:
        """Whether no key and no certificate is valid, so that nobody can make a call."""
        now = self._clock.now()
        return not any(key.is_valid(now) for key in (*self._keys.values(), *self._certificates.values()))

    def by_key(self, text: str) -> Caller | None:
        """Return the caller with this API key; None if the key is unknown, wrong, expired or revoked."""
        key = self._keys.get(key_id_of(text) or "")
        return self._caller(key) if key is not None and key.is_hash_of(text) else None

    def by_certificate(self, names: Sequence[str]) -> Caller | None:
        """Return the caller whose client certificate has these names; None if none of them has scopes.

        Args:
            names: URIs and the common name. The first that has scopes counts.
        """
        found = (self._certificates[name] for name in names if name in self._certificates)
        return next((caller for key in found if (caller := self._caller(key)) is not None), None)

    def may_know_later(self, text: str) -> bool:
        """Return whether the next read may find this API key: it has the form of a key, and its id is unknown."""
        key_id = key_id_of(text)
        return key_id is not None and key_id not in self._keys

    def read_again(self) -> "Future[None]":
        """Start a read soon; the result is set when a read that began after now has ended.

        It is StorageUnavailable if the keys could not be read.
        """
        done: Future[None] = Future()
        # A call that stops waiting cannot cancel it, so it always gets its result.
        done.set_running_or_notify_cancel()
        with self._lock:
            self._waiting.append(done)
        self.wake()
        return done

    def _caller(self, key: ApiKey) -> Caller | None:
        now = self._clock.now()
        if not key.is_valid(now):
            return None
        self._used[key.key_id] = now
        return self._callers.get(key.key_id)

    def check_age(self) -> None:
        """Check that revoked keys are known.

        Raises:
            StorageUnavailable: The keys could not be read for ``MAX_AGE_SECONDS``.
        """
        if time.monotonic() - self._read_at > MAX_AGE_SECONDS:
            raise StorageUnavailable("the API keys could not be read for a minute")

    def _round(self) -> None:
        self._stopping.wait(PAUSE_SECONDS)
        with self._lock:
            waiting, self._waiting = self._waiting, []
        try:
            self._read()
            if time.monotonic() - self._wrote_at >= USE_SECONDS:
                self._write_use()
        except StorageUnavailable as error:
            # The store has logged it. The next round tries again. The keys of the calls that wait may be valid, so
            # they must not be called unknown: their callers may repeat the calls.
            _log.debug("the API keys could not be read", exc_info=True)
            for done in waiting:
                done.set_exception(error)
            waiting = []
        finally:
            for done in waiting:
                done.set_result(None)

    def _read(self) -> None:
        started = time.monotonic()
        with self._store.read() as tx:
            keys = tx.keys.all()
        now = self._clock.now()
        # First the callers, which a call in another thread looks up last.
        self._callers = {key.key_id: key.caller() for key in keys}
        self._keys = {key.key_id: key for key in keys if key.certificate is None}
        self._certificates = {key.certificate: key for key in keys if key.certificate and key.is_valid(now)}
        self._read_at = started

    def _write_use(self) -> None:
        self._wrote_at = time.monotonic()
        used, self._used = self._used, {}
        if not used:
            return
        try:
            with self._store.write() as tx:
                tx.keys.note_use(used)
        except StorageUnavailable:
            _log.debug("the times of last use could not be written", exc_info=True)
