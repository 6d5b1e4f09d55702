"""Leases on issues of the outbox: one mailer claims issues, renews its leases, and drops those that another took over.

While a mailer is suspended, another may send the issues that it holds in memory. Therefore each lease is checked again
before its issue is handed over: in memory while the last renewal is recent, else in the database. An issue can be sent
twice only if a lease ends between this check and the server's answer, or if the clocks of two machines differ by more
than half a lease.
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
    """A moment on two clocks: the monotonic clock may stop while a machine sleeps, and the wall clock may be set."""

    monotonic: float
    wall: dt.datetime


class Leases:
    """The leases of one owner; safe for use by several threads."""

    def __init__(self, store: MailStore, clock: Clock, lease: dt.timedelta) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        self._renewed = self._moment()
        self._sure: dict[str, _Moment] = {}
        self._lock = threading.Lock()
        self.owner = secrets.token_hex(8)

    def claim(self, limit: int) -> list[Claimed]:
        """Claim up to ``limit`` more issues; renew the held leases first, so that none of them ends and is claimed."""
        with self._lock, self._store.write() as connection:
            now = self._moment()
            if self._age(self._renewed) > self._lease.total_seconds() / 3:
                self._sure = dict.fromkeys(issues.renew(connection, self.owner, now.wall, self._lease), now)
                self._renewed = now
            found = issues.claim(connection, self.owner, now.wall, self._lease, limit) if limit else []
            self._sure |= {each.issue_id: now for each in found}
        return found

    def is_ours(self, issue_id: str) -> bool:
        """Return whether this owner holds the issue; if so, the lease lasts at least half its length from now."""
        # The lock may be held while the database works, so this read does without it; a single look-up is atomic.
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
        """Forget the lease of an issue whose attempt was recorded in the database."""
        with self._lock:
            self._sure.pop(issue_id, None)

    def release(self, problem: str) -> None:
        """Make all claimed, unsettled issues due again at once, without counting an attempt."""
        with self._lock, self._store.write() as connection:
            issues.release(connection, self.owner, self._clock.now(), problem)
            self._sure.clear()

    def _moment(self) -> _Moment:
        return _Moment(time.monotonic(), self._clock.now())

    def _age(self, since: _Moment) -> float:
        return max(time.monotonic() - since.monotonic, (self._clock.now() - since.wall).total_seconds())
