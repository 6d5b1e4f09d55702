"""A run: purge, make, send, report, prune, and say what became of everybody."""

import datetime as dt
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.errors import ServiceUnavailable
from mailer.links import Links
from mailer.making import IssueMaker
from mailer.reporting import forward_reactions, report_sent
from mailer.sending import Sender
from mailer.service import FeedService
from mailer.storage import MailStore, issues, runs, subscribers

KIND = "send"
_BAD = ("refused", "unknown_recipient", "gave_up", "no_digest")


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        outcomes: Counts by name; see ``IssueMaker.make`` and ``Sender.send``.
        problems: What went wrong for all, in words.
        is_ok: Nothing failed, and whoever should have got mail did.
    """

    outcomes: dict[str, int]
    problems: tuple[str, ...]
    is_ok: bool

    def in_words(self) -> str:
        """For people, a line each."""
        lines = [f"{count:7d}  {name.replace('_', ' ')}" for name, count in sorted(self.outcomes.items())]
        return "\n".join([*(lines or ["nobody is subscribed"]), *(f"problem: {problem}" for problem in self.problems)])


class MailRun:
    """One run, to be made once; ``stop`` ends it after the messages in flight."""

    def __init__(
        self,
        store: MailStore,
        service: FeedService,
        settings: MailSettings,
        clock: Clock,
        *,
        lease_seconds: float = 60.0,
    ) -> None:
        self._store = store
        self._service = service
        self._settings = settings
        self._clock = clock
        self._links = Links(store.signing_key(), settings.base_url)
        self._sender = Sender(store, settings, clock, lease_seconds=lease_seconds)

    def stop(self) -> None:
        """Ends after the messages in flight."""
        self._sender.stop()

    def run(self, *, everybody: bool = False) -> Summary:
        """Does it all once; what the service or the SMTP server cannot do now is done by a later run.

        Raises:
            StorageUnavailable: The mailer's own database fails; nothing is lost.
            InvalidField: A setting cannot be used.
        """
        started, problems = self._clock.now(), list[str]()
        # Issues go out while others are still made: the one waits for the feed service, the other for the SMTP server.
        with ThreadPoolExecutor(1, thread_name_prefix="maker") as pool:
            making = pool.submit(self._make, everybody=everybody)
            outcomes = self._sender.send(lambda: not making.done())
        try:
            outcomes += making.result()
        except ServiceUnavailable as error:
            problems.append(str(error))
        if self._sender.problem:
            problems.append(f"the SMTP server: {self._sender.problem}")
        try:
            report_sent(self._store, self._service, self._clock)
            forward_reactions(self._store, self._service, self._clock)
        except ServiceUnavailable as error:
            problems.append(str(error))
        self._prune()
        summary = self._summary(outcomes, list(dict.fromkeys(problems)))
        with self._store.write() as connection:
            ended = self._clock.now()
            runs.add(connection, runs.Run(KIND, started, ended, summary.outcomes, "; ".join(summary.problems)))
        return summary

    def _make(self, *, everybody: bool) -> Counter[str]:
        purged = self._purge()
        maker = IssueMaker(self._store, self._service, self._settings, self._links, self._clock)
        return maker.make(everybody=everybody) + Counter(purged=purged)

    def _purge(self) -> int:
        """Removes whoever the service has deleted since the last time."""
        with self._store.read() as connection:
            since = runs.deleted_users_read_until(connection)
        deleted = list(self._service.deleted_users(since))
        if not deleted:
            return 0
        with self._store.write() as connection:
            count = subscribers.purge(connection, [user_id_hash for user_id_hash, _ in deleted])
            runs.set_deleted_users_read_until(connection, max(at for _, at in deleted))
        return count

    def _prune(self) -> None:
        if self._settings.keep_issues_days:
            before = self._clock.now() - dt.timedelta(days=self._settings.keep_issues_days)
            with self._store.write() as connection:
                issues.prune(connection, before)

    def _summary(self, outcomes: Counter[str], problems: list[str]) -> Summary:
        with self._store.read() as connection:
            counts = issues.counts(connection, self._clock.now())
        outcomes["waiting"] = counts["due"] + counts["later"]
        shown = {name: count for name, count in outcomes.items() if count}
        nobody_got_it = shown.get("waiting", 0) > 0 and not shown.get("sent")
        if nobody_got_it and not problems:
            problems.append("mail was due and none was sent")
        if shown.get("no_digest"):
            problems.append("readers are due and the service has no digest")
        if shown.get("empty_feed") and not (shown.get("sent") or shown.get("has_it")):
            problems.append("every reader's feed was empty: is the newest digest's content all seen?")
        return Summary(shown, tuple(problems), not problems and not any(shown.get(name) for name in _BAD))
