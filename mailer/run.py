"""A run: purge, make, send, report, prune, and say what became of everybody."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.errors import MailerError
from mailer.issues.due import weekdays_after
from mailer.issues.feed import Digest
from mailer.issues.making import LOOK_BACK, IssueMaker
from mailer.links import Links
from mailer.reporting import forward_reactions, report_sent
from mailer.sending.outbox import Sender
from mailer.service import FeedService
from mailer.storage import MailStore, deletions, issues, runs, standing

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
        lines += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(lines) or "nobody is subscribed"


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
        self._sender = Sender(store, settings, clock, lease_seconds=lease_seconds)
        self._newest: Digest | None = None
        self._problems: list[str] = []

    def stop(self) -> None:
        """Ends after the messages in flight."""
        self._sender.stop()

    def run(self, *, everybody: bool = False) -> Summary:
        """Does it all once; what the service or the SMTP server cannot do now is done by a later run.

        Raises nothing on purpose: what went wrong for all, the mailer's own database included, is in the summary.
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
        # Issues go out while others are still made: the one waits for the feed service, the other for the SMTP server.
        with ThreadPoolExecutor(1, thread_name_prefix="maker") as pool:
            making = pool.submit(maker.make) if maker is not None else None
            with self._noted():
                outcomes += self._sender.send(lambda: making is not None and not making.done())
        if maker is not None and making is not None:
            with self._noted():
                outcomes += making.result()
            self._newest = maker.newest
        return outcomes

    def _prepare(self, outcomes: Counter[str], *, everybody: bool) -> IssueMaker | None:
        """What has to be done before anything is sent; None where it could not, and no issues can be made.

        Deletions first, then whoever's last issue still waits gets one issue instead of two.
        """
        try:
            outcomes.update(purged=self._purge())
            links = Links(self._store.signing_key(), self._settings.base_url)
            maker = IssueMaker(self._store, self._service, self._settings, links, self._clock, everybody=everybody)
            outcomes.update(maker.make_waiting())
        except MailerError as error:
            self._problems.append(str(error))
            return None
        return maker

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """What fails inside is a problem of the run, and no reason to leave out the rest of it."""
        try:
            yield
        except MailerError as error:
            self._problems.append(str(error))

    def _purge(self) -> int:
        """Removes whoever the service has deleted since the last time."""
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
        """Whether whoever should have got mail did; adds what still waits to the outcomes."""
        with self._store.read() as connection:
            counts = issues.counts(connection, self._clock.now())
            # All issues are looked through for it, so only where it matters.
            asked = self._newest if outcomes["empty_feed"] else None
            served = standing.count_served(connection, asked.digest_id) if asked else 0
        outcomes["waiting"] = counts["due"] + counts["later"]
        tried = counts["due"] or outcomes["later"]
        if tried and not outcomes["sent"] and not self._problems:
            self._problems.append("mail was due and none was sent")
        if outcomes["no_digest"]:
            self._problems.append(f"readers are due and {self._why_no_digest()}")
        if outcomes["empty_feed"] > served:
            self._problems.append(
                f"{outcomes['empty_feed']} readers' feeds were empty, and {served} have an issue of the newest digest: "
                "is its content all seen?"
            )
        self._look_for_a_stale_digest(outcomes)

    def _why_no_digest(self) -> str:
        newest = self._service.find_newest_digest()
        if newest is None:
            return "the service has no digest"
        return f"the newest digest is of {newest.date}, more than {LOOK_BACK.days} days ago: is fetching broken?"

    def _look_for_a_stale_digest(self, outcomes: Counter[str]) -> None:
        """Readers are due, none gets anything new, and that for longer than a quiet day or two."""
        limit = self._settings.stale_digest_weekdays
        if not limit or self._newest is None or outcomes["made"] or not outcomes["has_it"]:
            return
        missing = weekdays_after(self._newest.date, self._clock.now().date())
        if missing >= limit:
            self._problems.append(
                f"{outcomes['has_it']} readers are due and the newest digest is of {self._newest.date}, "
                f"{missing} weekdays ago: is fetching broken?"
            )
