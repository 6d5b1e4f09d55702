"""The outbox to the SMTP server: claimed with a lease, handed over by a few connections at once, marked at once.

An issue is marked sent after the server's last word on it and before the connection takes the next one. So a mailer
that is killed may have one message per connection accepted but not marked; it goes out again under the same Message-ID.
Where the last word is lost, the attempt counts and the message waits, as after a passing refusal.
"""

import datetime as dt
import logging
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.issues.message import signed
from mailer.sending.leases import Holding
from mailer.sending.smtp import Answer, SmtpConnection, Verdict
from mailer.storage import MailStore, issues, subscribers
from mailer.storage.issues import Claimed
from mailer.subscribers.subscription import SuppressionReason

_log = logging.getLogger("paperfeed.mail")

FIRST_RETRY_SECONDS = 300.0
LONGEST_RETRY_SECONDS = 6 * 3600.0
BUSY_TRIES = 5
"""So often in a row a connection may find the server busy, or be lost, before the run gives up for now."""
BUSY_WAIT_SECONDS = 0.5
DOUBTS = 3
"""So many recipients in a row may be refused as if for the sender's sake before the run takes it for that."""


class Sender:
    """Sends what is due until nothing is, the server refuses, or ``stop`` is called.

    Args:
        lease_seconds: After so long, what a dead mailer held is free again.
    """

    def __init__(self, store: MailStore, settings: MailSettings, clock: Clock, *, lease_seconds: float = 60.0) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._holding = Holding(store, clock, dt.timedelta(seconds=lease_seconds))
        # Without a bound of its own: to put must never wait for threads that may be dead.
        self._work: queue.Queue[Claimed | None] = queue.Queue()
        self._most_queued = 4 * settings.smtp_connections
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._doubts: list[tuple[Claimed, Answer]] = []
        self._problem = ""
        self._pace = _Pace(settings.messages_per_second)

    @property
    def problem(self) -> str:
        """Why the run ended early; empty where it did not."""
        return self._problem

    def stop(self) -> None:
        """Ends after the messages in flight."""
        self._stopping.set()

    def send(self, more_may_come: Callable[[], bool] = lambda: False) -> Counter[str]:
        """Works the outbox off; counts ``sent``, ``refused``, ``unknown_recipient``, ``later`` and ``gave_up``.

        Waits for what another mailer holds, until it is sent or free again.

        Args:
            more_may_come: While this is true, an empty outbox is not the end.
        """
        threads = list[threading.Thread]()
        try:
            for number in range(self._settings.smtp_connections):
                thread = threading.Thread(target=self._deliver, name=f"smtp-{number}", daemon=True)
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
            self._holding.release(self._problem)
        return self._outcomes

    def _feed(self, more_may_come: Callable[[], bool]) -> None:
        while not self._stopping.is_set():
            found = self._holding.claim(max(self._most_queued - self._work.qsize(), 0))
            for each in found:
                self._work.put(each)
            # Asked before the outbox is looked at: what was added in between is seen.
            may_come = more_may_come()
            if not found and not may_come and self._is_done():
                return
            if not found:
                time.sleep(0.05)

    def _is_done(self) -> bool:
        with self._store.read() as connection:
            counts = issues.counts(connection, self._clock.now())
        return counts["due"] == 0 and counts["claimed"] <= len(self._doubts)

    def _deliver(self) -> None:
        busy = 0
        try:
            with SmtpConnection(self._settings) as connection:
                while (issue := self._work.get()) is not None:
                    if not self._stopping.is_set():
                        busy = self._attempt(connection, issue, busy)
        except BaseException as error:  # noqa: BLE001 (a thread that dies silently would leave the run waiting)
            _log.exception("a message could not be handed over")
            self._end_early(f"{type(error).__name__}: {error}")

    def _attempt(self, connection: SmtpConnection, issue: Claimed, busy: int) -> int:
        """Sends one; gives how often in a row the server was busy or the connection lost."""
        content = signed(issue.content, self._settings)
        while True:
            self._pace.wait()
            if not self._holding.is_ours(issue.issue_id):
                _log.warning("another mailer has taken a message", extra={"facts": {"issue_id": issue.issue_id}})
                return busy
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
            time.sleep(BUSY_WAIT_SECONDS * 2**busy * random.uniform(0.5, 1.0))  # noqa: S311 (spreads load, no secret)

    def _doubt(self, issue: Claimed, answer: Answer) -> None:
        """Ends the run where the server takes nobody's mail; what it said to one recipient waits for the next ones."""
        with self._lock:
            self._doubts.append((issue, answer))
            many = len(self._doubts) >= DOUBTS
        if many or answer.alone is None:
            self._end_early(answer.problem)

    def _clear_doubts(self) -> None:
        """The server takes mail from us: what it refused before was about those recipients."""
        with self._lock:
            doubts, self._doubts = self._doubts, []
        for issue, answer in doubts:
            self._settle(issue, replace(answer, verdict=answer.alone or Verdict.REFUSED))

    def _end_doubts(self) -> None:
        """Nobody is left to ask: who was taken before decides; in a run that was ended nothing is decided."""
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
                issues.postpone(connection, issue.issue_id, self._holding.owner, until, answer.problem)
            else:
                outcome = "gave_up" if answer.verdict is Verdict.LATER else outcome
                issues.mark_failed(connection, issue.issue_id, self._holding.owner, answer.problem)
                if answer.verdict is Verdict.UNKNOWN_RECIPIENT:
                    subscribers.suppress(connection, issue.address, SuppressionReason.BOUNCE, answer.problem, now)
        self._holding.settled(issue.issue_id)
        if outcome != "sent":
            facts = {"issue_id": issue.issue_id, "outcome": outcome, "problem": answer.problem}
            _log.warning("a message was not accepted", extra={"facts": facts})
        with self._lock:
            self._outcomes[outcome] += 1
        if answer.verdict is Verdict.ACCEPTED:
            self._clear_doubts()

    def _end_early(self, problem: str) -> None:
        with self._lock:
            self._problem = self._problem or problem
        self._stopping.set()


class _Pace:
    """Keeps all connections together below a rate."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Until the next message may go."""
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
