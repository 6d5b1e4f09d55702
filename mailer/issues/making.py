"""Issues made: readers who are due, a feed for each, rendered once and put into the outbox.

Whoever was away, or wants mail once a week, gets one issue of all that came since the last one, never one for each
digest: the best of all those days, in one ranking, from a feed over the window of time. The last one is the last that
was sent: what still waits is replaced, and what failed is made up for.
"""

import datetime as dt
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.issues.due import is_due
from mailer.issues.feed import Digest, Feed
from mailer.issues.message import Draft, compose
from mailer.links import Links
from mailer.service import FeedService
from mailer.storage import MailStore, standing, subscribers
from mailer.storage.issues import StoredIssue
from mailer.storage.standing import Standing
from mailer.subscribers.subscription import Subscriber, SubscriptionState

READERS_AT_A_TIME = 200
LOOK_BACK = dt.timedelta(days=31)
"""Digests older than this are in no issue."""


@dataclass(frozen=True)
class _Wanted:
    """A due reader, the digests that came since the last issue that was sent, latest first, and what was not sent."""

    subscriber: Subscriber
    digests: tuple[Digest, ...]
    since: dt.datetime | None
    unsent: tuple[StoredIssue, ...]


class IssueMaker:
    """Fills the outbox. Safe to run again, and in several processes: an issue is there once. To be used for one run.

    Args:
        everybody: As if every active reader were due.
    """

    def __init__(
        self,
        store: MailStore,
        service: FeedService,
        settings: MailSettings,
        links: Links,
        clock: Clock,
        *,
        everybody: bool = False,
    ) -> None:
        self._store = store
        self._service = service
        self._settings = settings
        self._links = links
        self._clock = clock
        self._everybody = everybody
        self._done: frozenset[str] = frozenset()
        self.newest: Digest | None = None
        """The newest digest, once issues were made; None where there is none within ``LOOK_BACK``."""

    def make_waiting(self) -> Counter[str]:
        """Makes the issues of readers whose last one still waits; to be called before anything is sent.

        Counts and raises as ``make`` does, which then leaves these readers out.
        """
        with self._store.read() as connection:
            waiting = standing.waiting_subscribers(connection)
        outcomes = self._make(lambda reader: reader.subscriber_id in waiting) if waiting else Counter()
        self._done = waiting
        return outcomes

    def make(self) -> Counter[str]:
        """Makes all issues that are due now; counts what became of each reader.

        ``made``; ``not_due``; ``has_it`` (an issue of the newest digest); ``empty_feed`` (nothing new for this reader);
        ``no_digest`` (for every due reader, where the service has none within ``LOOK_BACK``); ``in_flight`` (an earlier
        issue is being sent: the next run makes the new one); ``left`` (ended the subscription at this moment).

        Raises:
            ServiceUnavailable: The service does not answer; what was made stays.
            InvalidField: A setting cannot be used in a message.
        """
        return self._make(lambda reader: reader.subscriber_id not in self._done)

    def _make(self, is_meant: Callable[[Subscriber], bool]) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        now = self._clock.now()
        digests = self._service.digests((now - LOOK_BACK).date())
        self.newest = digests[0] if digests else None
        for page in self._active():
            if not (readers := [reader for reader in page if is_meant(reader)]):
                continue
            wanted = self._wanted(readers, digests, now, outcomes)
            single = [each for each in wanted if len(each.digests) == 1]
            merged = [each for each in wanted if len(each.digests) > 1]
            self._make_single(single, outcomes)
            self._make_merged(merged, outcomes)
        return outcomes

    def _active(self) -> Iterator[Sequence[Subscriber]]:
        after = ""
        while True:
            with self._store.read() as connection:
                found = subscribers.page(
                    connection, after=after, limit=READERS_AT_A_TIME, state=SubscriptionState.ACTIVE
                )
            if not found:
                return
            yield found
            after = found[-1].subscriber_id

    def _wanted(
        self, readers: Sequence[Subscriber], digests: Sequence[Digest], now: dt.datetime, outcomes: Counter[str]
    ) -> list[_Wanted]:
        with self._store.read() as connection:
            stands = standing.of_subscribers(connection, [reader.subscriber_id for reader in readers])
        wanted = []
        for reader in readers:
            stand = stands.get(reader.subscriber_id, Standing())
            last = stand.newest.created_at if stand.newest else None
            if not self._everybody and not is_due(reader.schedule, now, subscribed_at=reader.created_at, last=last):
                outcomes["not_due"] += 1
            elif not digests:
                outcomes["no_digest"] += 1
            elif stand.has(digests[0].digest_id):
                outcomes["has_it"] += 1
            elif stand.is_in_flight:
                outcomes["in_flight"] += 1
            else:
                wanted.append(_Wanted(reader, _missed(digests, stand), _since(digests, stand), stand.unsent))
        return wanted

    def _make_single(self, wanted: Sequence[_Wanted], outcomes: Counter[str]) -> None:
        if not wanted:
            return
        by_user = {each.subscriber.user_id: each for each in wanted}
        count = max(each.subscriber.paper_count for each in wanted)
        digest_id = wanted[0].digests[0].digest_id
        feeds = self._service.feeds(sorted(by_user), digest_id, count)
        self._store_all(((by_user[feed.user_id], feed) for feed in feeds), outcomes)

    def _make_merged(self, wanted: Sequence[_Wanted], outcomes: Counter[str]) -> None:
        for each in wanted:
            since = each.since or self._clock.now() - LOOK_BACK
            reader = each.subscriber
            feed = self._service.window_feed(reader.user_id, since, reader.paper_count)
            if not feed.papers:
                # First seen before, as after a late import: then at least the newest digest.
                feed = next(iter(self._service.feeds([reader.user_id], each.digests[0].digest_id, reader.paper_count)))
            self._store_all([(each, feed)], outcomes)

    def _store_all(
        self, made: "Iterator[tuple[_Wanted, Feed]] | list[tuple[_Wanted, Feed]]", outcomes: Counter[str]
    ) -> None:
        composed = []
        for each, feed in made:
            if not feed.papers:
                outcomes["empty_feed"] += 1
                continue
            days = tuple(sorted({digest.date for digest in each.digests}))
            draft = Draft(
                issue_id=secrets.token_urlsafe(9),
                digest_id=each.digests[0].digest_id,
                slate_id=feed.slate_id,
                days=(days[0], days[-1]),
                papers=feed.papers[: each.subscriber.paper_count],
                fallback=feed.fallback,
            )
            issue = compose(draft, each.subscriber, self._settings, self._links, self._clock.now())
            composed.append((issue, each.unsent))
        with self._store.write() as connection:
            for issue, unsent in composed:
                outcomes[standing.add_in_place(connection, issue, unsent)] += 1


def _missed(digests: Sequence[Digest], stand: Standing) -> tuple[Digest, ...]:
    """Digests since the last one that was sent; from the first that was to be sent where none was; else the newest."""
    last = stand.received or (stand.unsent[0] if stand.unsent else None)
    if last is None:
        return tuple(digests[:1])
    ids = [digest.digest_id for digest in digests]
    if last.digest_id in ids:
        return tuple(digests[: ids.index(last.digest_id) + (stand.received is None)])
    # One that is no longer listed was made long ago, or has been replaced: then what is dated since counts.
    return tuple(digest for digest in digests if digest.date > last.created_at.date()) or tuple(digests[:1])


def _since(digests: Sequence[Digest], stand: Standing) -> dt.datetime | None:
    """From when on papers are new to the reader."""
    if stand.received is not None:
        return stand.received.created_at
    if not stand.unsent:
        return None
    first = stand.unsent[0]
    # The papers of an issue that was never sent came before it was made.
    day = next((digest.date for digest in digests if digest.digest_id == first.digest_id), first.created_at.date())
    return min(dt.datetime.combine(day, dt.time(), dt.UTC), first.created_at) - dt.timedelta(days=1)
