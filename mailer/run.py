"""One run of the mailer: remove deleted users, make issues, send them, report to the service, delete old issues."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.domain.feed import Digest
from mailer.errors import MailerError
from mailer.issues.due import weekdays_after
from mailer.issues.maker import LOOK_BACK, IssueMaker
from mailer.links import Links
from mailer.reporting import forward_reactions, report_sent
from mailer.sending.outbox import Sender
from mailer.service import FeedService
from mailer.storage import MailStore, deletions, issues, runs, standing

KIND = runs.SEND
_BAD = ("refused", "unknown_recipient", "gave_up", "no_digest")
_CHECK_FETCHING = "check that fetching works"


@dataclass(frozen=True)
class Summary:
    """The result of a run.

    Attributes:
        outcomes: Number of subscribers or issues by outcome; see ``IssueMaker.make`` and ``Sender.send``.
        problems: Problems that concern the whole run, as sentences.
        is_ok: Whether the run had no problem and no issue failed.
    """

    outcomes: dict[str, int]
    problems: tuple[str, ...]
    is_ok: bool

    def in_words(self) -> str:
        """Return the result as text with one line for each outcome and problem."""
        lines = [f"{count:7d}  {name.replace('_', ' ')}" for name, count in sorted(self.outcomes.items())]
        lines += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(lines) or "there are no subscribers"


class MailRun:
    """A run of the mailer; use an instance once. ``Sender`` describes the keyword arguments."""

    def __init__(
        self,
        store: MailStore,
        service: FeedService,
        settings: MailSettings,
        clock: Clock,
        *,
        lease_seconds: float = 60.0,
        busy_wait_seconds: float = 0.5,
    ) -> None:
        self._store = store
        self._service = service
        self._settings = settings
        self._clock = clock
        self._sender = Sender(store, settings, clock, lease_seconds=lease_seconds, busy_wait_seconds=busy_wait_seconds)
        self._newest: Digest | None = None
        self._problems: list[str] = []

    def stop(self) -> None:
        """End the run after the messages that are being sent."""
        self._sender.stop()

    def run(self, *, everybody: bool = False) -> Summary:
        """Run all steps once and return the result.

        A later run does what the service or the SMTP server could not do now. The method raises no ``MailerError``: the
        summary names every problem, those of the mailer's own database included.

        Args:
            everybody: Make an issue for every active subscriber, due or not.
        """
        started, outcomes = self._clock.now(), Counter[str]()
        outcomes += self._make_and_send(everybody=everybody)
        if self._sender.problem:
            self._problems.append(f"the SMTP server: {self._sender.problem}")
        with self._noted():
            report_sent(self._store, self._service, self._clock)
            forward_reactions(self._store, self._service, self._clock)
        with self._noted():
            self._prune()
        with self._noted():
            self._judge(outcomes)
        shown = {name: count for name, count in outcomes.items() if count}
        with self._noted(), self._store.write() as connection:
            problem = "; ".join(dict.fromkeys(self._problems))
            runs.add(connection, runs.Run(KIND, started, self._clock.now(), shown, problem))
        problems = tuple(dict.fromkeys(self._problems))
        return Summary(shown, problems, not problems and not any(shown.get(name) for name in _BAD))

    def _make_and_send(self, *, everybody: bool) -> Counter[str]:
        outcomes = Counter[str]()
        maker = self._prepare(outcomes, everybody=everybody)
        # Making waits for the feed service and sending for the SMTP server, so both run at the same time.
        with ThreadPoolExecutor(1, thread_name_prefix="maker") as pool:
            # The context names the trace of the run.
            making = pool.submit(copy_context().run, maker.make) if maker is not None else None
            with self._noted():
                outcomes += self._sender.send(lambda: making is not None and not making.done())
        if maker is not None and making is not None:
            with self._noted():
                outcomes += making.result()
            self._newest = maker.newest
        return outcomes

    def _prepare(self, outcomes: Counter[str], *, everybody: bool) -> IssueMaker | None:
        """Do the steps that precede sending; return None if one failed, so that no issues can be made.

        Deleted users are removed first. Then a subscriber whose last issue is still due gets one issue instead of two.
        """
        try:
            outcomes.update(purged=self._purge())
            links = Links(self._store.signing_key(), self._settings.base_url)
            maker = IssueMaker(self._store, self._service, self._settings, links, self._clock, everybody)
            outcomes.update(maker.make_waiting())
        except MailerError as error:
            self._problems.append(str(error))
            return None
        return maker

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Record an error of the block as a problem of the run, so that the other steps still run."""
        try:
            yield
        except MailerError as error:
            self._problems.append(str(error))

    def _purge(self) -> int:
        """Remove the subscribers whose users the service has deleted; return their number."""
        with self._store.read() as connection:
            since = deletions.read_from(connection)
        deleted = list(self._service.deleted_users(since))
        if not deleted:
            return 0
        with self._store.write() as connection:
            return deletions.carry_out(connection, deleted)

    def _prune(self) -> None:
        if self._settings.keep_issues_days:
            before = self._clock.now() - dt.timedelta(days=self._settings.keep_issues_days)
            with self._store.write() as connection:
                issues.prune(connection, before)

    def _judge(self, outcomes: Counter[str]) -> None:
        """Add the number of waiting issues to the outcomes, and a problem if due subscribers received no mail."""
        with self._store.read() as connection:
            counts = issues.counts(connection, self._clock.now())
            # The query scans all issues, so it runs only when its result matters.
            digest = self._newest if outcomes["empty_feed"] else None
            served = standing.count_served(connection, digest.digest_id) if digest else 0
        outcomes["waiting"] = counts["due"] + counts["later"]
        tried = counts["due"] or outcomes["later"]
        if tried and not outcomes["sent"] and not self._problems:
            self._problems.append("mail was due and none was sent")
        if outcomes["no_digest"]:
            self._problems.append(f"subscribers are due and {self._why_no_digest()}")
        if outcomes["empty_feed"] > served:
            self._problems.append(
                f"the feeds of {outcomes['empty_feed']} subscribers were empty, and only {served} subscribers have an "
                "issue of the newest digest: check that the digest contains new papers"
            )
        self._look_for_a_stale_digest(outcomes)

    def _why_no_digest(self) -> str:
        newest = next(self._service.digests(), None)
        if newest is None:
            return "the service has no digest"
        return f"the newest digest is dated {newest.date}, more than {LOOK_BACK.days} days ago: {_CHECK_FETCHING}"

    def _look_for_a_stale_digest(self, outcomes: Counter[str]) -> None:
        """Add a problem if subscribers are due and no new digest has come for the configured number of weekdays."""
        limit = self._settings.stale_digest_weekdays
        if not limit or self._newest is None or outcomes["made"] or not outcomes["has_it"]:
            return
        missing = weekdays_after(self._newest.date, self._clock.now().date())
        if missing >= limit:
            self._problems.append(
                f"{outcomes['has_it']} subscribers are due and the newest digest is dated {self._newest.date}, "
                f"{missing} weekdays ago: {_CHECK_FETCHING}"
            )
