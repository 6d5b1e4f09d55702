"""Makes issues: requests the feeds of due subscribers, renders one issue each, and adds it to the outbox.

A subscriber gets one issue of all digests since the last issue that was sent, never one issue for each digest. If there
are several digests, the papers come from one feed of all their papers. A new issue replaces one that is still due, and
contains the papers of one that failed.
"""

import datetime as dt
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.domain.feed import Digest, Feed
from mailer.domain.subscription import Subscriber, SubscriptionState
from mailer.issues.due import is_due
from mailer.issues.message import Draft, compose
from mailer.links import Links
from mailer.service import MAX_DIGESTS, FeedService
from mailer.storage import MailStore, standing, subscribers
from mailer.storage.issues import StoredIssue
from mailer.storage.standing import Standing

SUBSCRIBERS_AT_A_TIME = 200
LOOK_BACK = dt.timedelta(days=31)
"""Maximum age of the digests in an issue."""


@dataclass(frozen=True)
class _Wanted:
    """A due subscriber and the content of the next issue.

    Attributes:
        digests: Digests since the last issue that was sent, newest first.
        unsent: Issues made since the last issue that was sent, earliest first.
        is_first: Whether no issue was sent to the subscriber yet.
    """

    subscriber: Subscriber
    digests: tuple[Digest, ...]
    unsent: tuple[StoredIssue, ...]
    is_first: bool


@dataclass
class IssueMaker:
    """Fills the outbox for one run.

    Several processes may do this at once: the outbox holds at most one issue for each subscriber and digest.

    Attributes:
        everybody: Treat every active subscriber as due.
        newest: The newest digest, set when issues are made; None if no digest is younger than ``LOOK_BACK``.
        done: Ids of the subscribers whom ``make_waiting`` has handled, and whom ``make`` skips.
    """

    store: MailStore
    service: FeedService
    settings: MailSettings
    links: Links
    clock: Clock
    everybody: bool
    newest: Digest | None = None
    done: frozenset[str] = frozenset()

    def make_waiting(self) -> Counter[str]:
        """Make the issues of subscribers whose last issue is still due. Call this before sending starts.

        The method counts and raises as ``make``, which then skips these subscribers.
        """
        with self.store.read() as connection:
            waiting = standing.waiting_subscribers(connection)
        outcomes = self._make(lambda subscriber: subscriber.subscriber_id in waiting) if waiting else Counter()
        self.done = waiting
        return outcomes

    def make(self) -> Counter[str]:
        """Make all issues that are due now, and count the subscribers by outcome.

        ``made``: an issue was added to the outbox. ``not_due``: the schedule asks for none. ``has_it``: the subscriber
        has an issue of the newest digest. ``empty_feed``: the feed has no new papers, or none reaches the subscriber's
        lowest probability. ``no_digest``: the subscriber is due, but the service has no digest within ``LOOK_BACK``.
        ``in_flight``: an earlier issue is being sent, so the next run makes the new one. ``left``: the subscription
        ended while the issue was made.

        Raises:
            ServiceUnavailable: The service does not answer; issues that were made stay in the outbox.
            InvalidField: A setting cannot be used in a message.
        """
        return self._make(lambda subscriber: subscriber.subscriber_id not in self.done)

    def _make(self, is_meant: Callable[[Subscriber], bool]) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        now = self.clock.now()
        digests = list(self.service.digests((now - LOOK_BACK).date()))
        self.newest = digests[0] if digests else None
        for page in subscribers.pages(self.store, SUBSCRIBERS_AT_A_TIME, {SubscriptionState.ACTIVE}):
            wanted = self._wanted([each for each in page if is_meant(each)], digests, now, outcomes)
            self._make_wanted(wanted, outcomes)
        return outcomes

    def _wanted(
        self, page: Sequence[Subscriber], digests: Sequence[Digest], now: dt.datetime, outcomes: Counter[str]
    ) -> list[_Wanted]:
        with self.store.read() as connection:
            stands = standing.of_subscribers(connection, [each.subscriber_id for each in page])
        wanted = []
        for subscriber in page:
            stand = stands.get(subscriber.subscriber_id, Standing())
            last = stand.newest.created_at if stand.newest else None
            since = subscriber.created_at
            if not self.everybody and not is_due(subscriber.schedule, now, subscribed_at=since, last=last):
                outcomes["not_due"] += 1
            elif not digests:
                outcomes["no_digest"] += 1
            elif stand.has(digests[0].digest_id):
                outcomes["has_it"] += 1
            elif stand.is_in_flight:
                outcomes["in_flight"] += 1
            else:
                wanted.append(_Wanted(subscriber, _missed(digests, stand), stand.unsent, stand.received is None))
        return wanted

    def _make_wanted(self, wanted: Sequence[_Wanted], outcomes: Counter[str]) -> None:
        """Make the issues with one call of the service for all subscribers who get the same digests and form."""
        groups: dict[tuple[tuple[str, ...], bool, float], dict[str, _Wanted]] = {}
        for each in wanted:
            digest_ids = tuple(digest.digest_id for digest in each.digests[:MAX_DIGESTS])
            form = (each.subscriber.has_sections, each.subscriber.limit(self.settings.min_probability))
            groups.setdefault((digest_ids, *form), {})[each.subscriber.user_id] = each
        for (digest_ids, by_interest, min_probability), by_user in groups.items():
            count = max(each.subscriber.paper_count for each in by_user.values())
            feeds = self.service.feeds(
                sorted(by_user),
                digest_ids,
                count,
                by_interest=by_interest,
                min_probability=min_probability,
            )
            self._store_all(((by_user[feed.user_id], feed) for feed in feeds), outcomes)

    def _store_all(self, made: Iterable[tuple[_Wanted, Feed]], outcomes: Counter[str]) -> None:
        composed = []
        for each, feed in made:
            if not feed.papers:
                outcomes["empty_feed"] += 1
                continue
            days = tuple(sorted({digest.date for digest in each.digests}))
            shown = replace(feed.first(each.subscriber.paper_count), digest_id=each.digests[0].digest_id)
            draft = Draft(secrets.token_urlsafe(9), (days[0], days[-1]), shown, each.is_first)
            issue = compose(draft, each.subscriber, self.settings, self.links, self.clock.now())
            composed.append((issue, each.unsent))
        with self.store.write() as connection:
            for issue, unsent in composed:
                outcomes[standing.add_in_place(connection, issue, unsent)] += 1


def _missed(digests: Sequence[Digest], stand: Standing) -> tuple[Digest, ...]:
    """Return the digests since the last sent issue, newest first.

    If no issue was sent yet, the result starts with the digest of the first unsent issue. Without any issue, the result
    is the newest digest.
    """
    last = stand.received or (stand.unsent[0] if stand.unsent else None)
    if last is None:
        return tuple(digests[:1])
    ids = [digest.digest_id for digest in digests]
    if last.digest_id in ids:
        return tuple(digests[: ids.index(last.digest_id) + (stand.received is None)])
    # The digest is older than the listed ones or was deleted, so the date of the issue decides.
    return tuple(digest for digest in digests if digest.date > last.created_at.date()) or tuple(digests[:1])
