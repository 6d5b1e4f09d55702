"""The measures of the mailer that are read when metrics are collected. All come from its database.

``paperfeed mail send`` is a process of its own, which ends before anybody could read its metrics. So the process of the
web pages exports what all runs have done.
"""

import threading
from collections import Counter
from collections.abc import Iterator

from database.observed import connection_measure
from mailer.clock import Clock
from mailer.storage import MailStore, issues, runs
from telemetry.record import Measure, Reading


def mail_measures(store: MailStore, clock: Clock) -> list[Measure]:
    """Return the measures of the mailer."""
    totals = _Totals(store)

    def outbox() -> list[Reading]:
        with store.read() as connection:
            counts = issues.counts(connection, clock.now())
        return [(count, {"state": state}) for state, count in counts.items()]

    def last_run() -> Iterator[Reading]:
        with store.read() as connection:
            for run in runs.newest(connection, runs.SEND, 1):
                yield run.ended_at.timestamp(), {"is_ok": not run.problem}

    return [
        Measure(
            "paperfeed.mail.outcomes",
            "counter",
            "{issue}",
            "Subscribers and issues of all runs by outcome.",
            totals.readings,
        ),
        Measure("paperfeed.mail.outbox", "gauge", "{issue}", "Issues in the outbox by state.", outbox),
        Measure("paperfeed.mail.last_run.end_time", "gauge", "s", "Unix time at which the last run ended.", last_run),
        connection_measure(store.connections),
    ]


class _Totals:
    """Sums of the outcomes of all runs. Each run is read once."""

    def __init__(self, store: MailStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._last = 0
        self._counts: Counter[str] = Counter()

    def readings(self) -> list[Reading]:
        with self._lock:
            with self._store.read() as connection:
                for sequence, outcomes in runs.outcomes_after(connection, runs.SEND, self._last):
                    self._last = sequence
                    self._counts.update(outcomes)
            return [(count, {"outcome": name}) for name, count in sorted(self._counts.items())]
