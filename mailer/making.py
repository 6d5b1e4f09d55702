"""Issues made: readers who are due, a feed for each, rendered once and put into the outbox.

Whoever was away, or wants mail once a week, gets one issue of all that came since the last one, never one for each
digest: the best of all those days, in one ranking, from a feed over the window of time.
"""

import datetime as dt
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.due import is_due
from mailer.feed import Digest, Feed
from mailer.links import Links
from mailer.message import Draft, compose
from mailer.service import FeedService
from mailer.storage import MailStore, issues, subscribers
from mailer.storage.issues import StoredIssue
from mailer.subscription import Subscriber, SubscriptionState

READERS_AT_A_TIME = 200
LOOK_BACK = dt.timedelta(days=31)
"""Digests older than this are in no issue."""


@dataclass(frozen=True)
class _Wanted:
    """A due reader, and the digests that came since the last issue, latest first; the newest alone for a first one."""

    subscriber: Subscriber
    digests: tuple[Digest, ...]
    since: dt.datetime | None


class IssueMaker:
    """Fills the outbox. Safe to run again, and in several processes: an issue is there once."""

    def __init__(
        self, store: MailStore, service: FeedService, settings: MailSettings, links: Links, clock: Clock
    ) -> None:
        self._store = store
        self._service = service
        self._settings = settings
        self._links = links
        self._clock = clock

    def make(self, *, everybody: bool = False) -> Counter[str]:
        """Makes all issues that are due now; counts what became of each reader.

        ``made``; ``not_due``; ``has_it`` (an issue of the newest digest); ``empty_feed`` (nothing new for this reader);
        ``no_digest`` (for every due reader, where the service has none).

        Args:
            everybody: As if every active reader were due.

        Raises:
            ServiceUnavailable: The service does not answer; what was made stays.
            InvalidField: A setting cannot be used in a message.
        """
        outcomes: Counter[str] = Counter()
        now = self._clock.now()
        digests = self._service.digests((now - LOOK_BACK).date())
        for readers in self._active():
            wanted = self._wanted(readers, digests, now, outcomes, everybody=everybody)
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
        self,
        readers: Sequence[Subscriber],
        digests: Sequence[Digest],
        now: dt.datetime,
        outcomes: Counter[str],
        *,
        everybody: bool,
    ) -> list[_Wanted]:
        with self._store.read() as connection:
            last = issues.newest_of(connection, [reader.subscriber_id for reader in readers])
        wanted = []
        for reader in readers:
            before = last.get(reader.subscriber_id)
            made_at = before.created_at if before else None
            if not everybody and not is_due(reader.schedule, now, subscribed_at=reader.created_at, last=made_at):
                outcomes["not_due"] += 1
            elif not digests:
                outcomes["no_digest"] += 1
            elif before is not None and before.digest_id == digests[0].digest_id:
                outcomes["has_it"] += 1
            else:
                wanted.append(_Wanted(reader, _missed(digests, before), made_at))
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
            composed.append(compose(draft, each.subscriber, self._settings, self._links, self._clock.now()))
        with self._store.write() as connection:
            for issue in composed:
                outcomes["made" if issues.add(connection, issue) else "has_it"] += 1


def _missed(digests: Sequence[Digest], before: StoredIssue | None) -> tuple[Digest, ...]:
    if before is None:
        return tuple(digests[:1])
    ids = [digest.digest_id for digest in digests]
    # One that is no longer listed was made long ago, or has been replaced: then what is dated since counts.
    if before.digest_id in ids:
        return tuple(digests[: ids.index(before.digest_id)])
    return tuple(digest for digest in digests if digest.date > before.created_at.date()) or tuple(digests[:1])
