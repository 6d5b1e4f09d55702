"""Hands the issues of the outbox over to the SMTP server, over several connections at once.

An issue is marked as sent after the server's final reply and before the connection takes the next issue. If a mailer is
killed, at most one message per connection was accepted but not marked; it is sent again with the same Message-ID. If
the final reply is lost, the attempt counts, and the message is tried again later, as after a temporary refusal.
"""

import datetime as dt
import logging
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from contextvars import copy_context
from dataclasses import replace

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.domain.subscription import SuppressionReason
from mailer.sending.leases import Leases
from mailer.sending.signing import signed
from mailer.sending.smtp import Answer, SmtpConnection, Verdict
from mailer.storage import MailStore, issues, subscribers
from mailer.storage.issues import Claimed
from telemetry.record import recorder

_log = logging.getLogger("paperfeed.mail")

FIRST_RETRY_SECONDS = 300.0
LONGEST_RETRY_SECONDS = 6 * 3600.0
POLL_SECONDS = 0.05
BUSY_TRIES = 5
"""Number of consecutive busy replies or lost connections, on one connection, after which the run ends."""
DOUBTS = 3
"""Number of recipients refused because of the sender, without an accepted one in between, after which the run ends."""


class Sender:
    """Sends due issues until none is left, the server refuses all mail, or ``stop`` is called.

    Args:
        lease_seconds: Time after which the issues that a dead mailer held are due again.
        busy_wait_seconds: Wait after the first busy reply of the server; each further wait is twice as long.
    """

    def __init__(
        self,
        store: MailStore,
        settings: MailSettings,
        clock: Clock,
        *,
        lease_seconds: float = 60.0,
        busy_wait_seconds: float = 0.5,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._busy_wait_seconds = busy_wait_seconds
        self._leases = Leases(store, clock, dt.timedelta(seconds=lease_seconds))
        # Unbounded, because a put must not wait for worker threads that may be dead; ``_feed`` limits the size.
        self._work: queue.Queue[Claimed | None] = queue.Queue()
        self._most_queued = 4 * settings.smtp_connections
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._doubts: list[tuple[Claimed, Answer]] = []
        self.problem = ""
        """The reason why sending ended early; empty if it did not."""
        self._pace = _Pace(settings.messages_per_second)

    def stop(self) -> None:
        """End sending after the messages that are being sent."""
        self._stopping.set()

    def send(self, more_may_come: Callable[[], bool] = lambda: False) -> Counter[str]:
        """Send all due issues, and count them by outcome.

        ``sent``: accepted by the server. ``refused``: refused permanently. ``unknown_recipient``: the mailbox does not
        exist, so mail to the address is stopped. ``later``: refused for the moment. ``gave_up``: refused for the moment
        at the last attempt. The method waits for issues that another mailer holds until they are sent or due again.

        Args:
            more_may_come: Returns whether further issues may be added; until it returns False, sending does not end.
        """
        threads = list[threading.Thread]()
        try:
            for number in range(self._settings.smtp_connections):
                context = copy_context()
                thread = threading.Thread(target=context.run, args=(self._deliver,), name=f"smtp-{number}", daemon=True)
                thread.start()
                threads.append(thread)
            self._feed(more_may_come)
        except BaseException:
            self._stopping.set()
            raise
        finally:
            for _ in threads:
                self._work.put(None)
            for thread in threads:
                thread.join()
            self._end_doubts()
            self._leases.release(self.problem)
        return self._outcomes

    def _feed(self, more_may_come: Callable[[], bool]) -> None:
        while not self._stopping.is_set():
            found = self._leases.claim(max(self._most_queued - self._work.qsize(), 0))
            for each in found:
                self._work.put(each)
            # Evaluated before the outbox is read, so that no issue added in between is missed.
            may_come = more_may_come()
            if not found and not may_come and self._is_done():
                return
            if not found:
                time.sleep(POLL_SECONDS)

    def _is_done(self) -> bool:
        with self._store.read() as connection:
            counts = issues.counts(connection, self._clock.now())
        return counts["due"] == 0 and counts["claimed"] <= len(self._doubts)

    def _deliver(self) -> None:
        busy = 0
        try:
            with closing(SmtpConnection(self._settings)) as connection:
                while (issue := self._work.get()) is not None:
                    if not self._stopping.is_set():
                        busy = self._attempt(connection, issue, busy)
        except BaseException as error:  # noqa: BLE001 (the run would wait forever for a thread that died)
            _log.exception("an issue could not be handed over")
            self._end_early(f"{type(error).__name__}: {error}")

    def _attempt(self, connection: SmtpConnection, issue: Claimed, busy: int) -> int:
        """Send one issue, and return the number of consecutive busy replies and lost connections."""
        content = signed(issue.content, self._settings)
        while True:
            self._pace.wait()
            if not self._leases.is_ours(issue.issue_id):
                _log.warning("another mailer has taken over an issue", extra={"facts": {"issue_id": issue.issue_id}})
                return busy
            with recorder().stage("deliver"):
                answer = connection.send(issue.address, content)
            if answer.verdict is Verdict.SERVER_REFUSES:
                self._doubt(issue, answer)
                return busy
            busy = busy + 1 if answer.is_lost or answer.verdict is Verdict.SERVER_BUSY else 0
            if answer.verdict is not Verdict.SERVER_BUSY:
                self._settle(issue, answer)
            if busy >= BUSY_TRIES or (busy and self._stopping.is_set()):
                self._end_early(answer.problem)
                return busy
            if answer.verdict is not Verdict.SERVER_BUSY:
                return busy
            time.sleep(self._busy_wait_seconds * 2**busy * random.uniform(0.5, 1.0))  # noqa: S311 (spreads load)

    def _doubt(self, issue: Claimed, answer: Answer) -> None:
        """Defer the decision about a refusal that may concern the sender; end the run if it certainly does."""
        with self._lock:
            self._doubts.append((issue, answer))
            many = len(self._doubts) >= DOUBTS
        if many or answer.alone is None:
            self._end_early(answer.problem)

    def _clear_doubts(self) -> None:
        """Settle the deferred issues as refused recipients, because the server accepted mail from this sender."""
        with self._lock:
            doubts, self._doubts = self._doubts, []
        for issue, answer in doubts:
            self._settle(issue, replace(answer, verdict=answer.alone or Verdict.REFUSED))

    def _end_doubts(self) -> None:
        """Settle the deferred issues at the end: as refused if the server accepted other mail, else not at all."""
        if self._outcomes["sent"] and not self._stopping.is_set():
            self._clear_doubts()
        elif self._doubts:
            self._end_early(self._doubts[0][1].problem)

    def _settle(self, issue: Claimed, answer: Answer) -> None:
        now, outcome = self._clock.now(), answer.verdict.value
        with self._store.write() as connection:
            if answer.verdict is Verdict.ACCEPTED:
                outcome = "sent"
                issues.mark_sent(connection, issue.issue_id, now)
            elif answer.verdict is Verdict.LATER and issue.attempt_count + 1 < self._settings.max_attempts:
                until = now + _backoff(issue.attempt_count)
                issues.postpone(connection, issue.issue_id, self._leases.owner, until, answer.problem)
            else:
                outcome = "gave_up" if answer.verdict is Verdict.LATER else outcome
                issues.mark_failed(connection, issue.issue_id, self._leases.owner, answer.problem)
                if answer.verdict is Verdict.UNKNOWN_RECIPIENT:
                    subscribers.suppress(connection, issue.address, SuppressionReason.BOUNCE, answer.problem, now)
        self._leases.settled(issue.issue_id)
        if outcome != "sent":
            facts = {"issue_id": issue.issue_id, "outcome": outcome, "problem": answer.problem}
            _log.warning("an issue was not accepted", extra={"facts": facts})
        with self._lock:
            self._outcomes[outcome] += 1
        if answer.verdict is Verdict.ACCEPTED:
            self._clear_doubts()

    def _end_early(self, problem: str) -> None:
        with self._lock:
            self.problem = self.problem or problem
        self._stopping.set()


class _Pace:
    """Limits the message rate of all connections together."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until the next message may be sent."""
        if not self._interval:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._interval
        time.sleep(start - now)


def _backoff(attempts: int) -> dt.timedelta:
    longest = min(FIRST_RETRY_SECONDS * 2.0**attempts, LONGEST_RETRY_SECONDS)
    return dt.timedelta(seconds=longest * random.uniform(0.5, 1.0))  # noqa: S311 (spreads load, no secret)
