"""What one mailer holds of the outbox: claimed with a lease, renewed in time, and let go where another has taken it.

A mailer that was suspended wakes with messages in memory that another may have sent long since. So each is looked at
once more before it is handed over: from memory while the last renewal is young, else in the database. What remains is
the moment between that look and the server's answer, and clocks of several machines that differ by more than half a
lease.
"""

import datetime as dt
import secrets
import threading
import time
from dataclasses import dataclass

from mailer.clock import Clock
from mailer.storage import MailStore, issues
from mailer.storage.issues import Claimed


@dataclass(frozen=True)
class _Moment:
    """On both clocks: the monotonic one may stand still while a machine sleeps, the other may be set."""

    monotonic: float
    wall: dt.datetime


class Holding:
    """Claims for one owner; for several threads."""

    def __init__(self, store: MailStore, clock: Clock, lease: dt.timedelta) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        self._renewed = self._moment()
        self._sure: dict[str, _Moment] = {}
        self._lock = threading.Lock()
        self.owner = secrets.token_hex(8)

    def claim(self, limit: int) -> list[Claimed]:
        """Takes up to ``limit`` issues more; renews what is held first, so that it never claims its own again."""
        with self._lock, self._store.write() as connection:
            now = self._moment()
            if self._age(self._renewed) > self._lease.total_seconds() / 3:
                self._sure = dict.fromkeys(issues.renew(connection, self.owner, now.wall, self._lease), now)
                self._renewed = now
            found = issues.claim(connection, self.owner, now.wall, self._lease, limit) if limit else []
            self._sure |= {each.issue_id: now for each in found}
        return found

    def is_ours(self, issue_id: str) -> bool:
        """Whether the issue still is this owner's to hand over; if so, for at least half a lease from now."""
        # Without the lock, which may be held for as long as the database takes: what this finds is true of its moment.
        since = self._sure.get(issue_id)
        if since is not None and self._age(since) < self._lease.total_seconds() / 2:
            return True
        with self._lock:
            with self._store.write() as connection:
                now = self._moment()
                held = issues.renew(connection, self.owner, now.wall, self._lease)
            self._sure, self._renewed = dict.fromkeys(held, now), now
            return issue_id in held

    def settled(self, issue_id: str) -> None:
        """The issue is not to be handed over any more."""
        with self._lock:
            self._sure.pop(issue_id, None)

    def release(self, problem: str) -> None:
        """What was claimed and not settled is due again at once; that counts for nothing."""
        with self._lock, self._store.write() as connection:
            issues.release(connection, self.owner, self._clock.now(), problem)
            self._sure.clear()

    def _moment(self) -> _Moment:
        return _Moment(time.monotonic(), self._clock.now())

    def _age(self, since: _Moment) -> float:
        return max(time.monotonic() - since.monotonic, (self._clock.now() - since.wall).total_seconds())
