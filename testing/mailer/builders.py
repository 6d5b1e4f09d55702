"""Builders of subscribers, feeds and issues, a clock that tests set, and settings for the test SMTP server."""

import datetime as dt

from mailer.config import MailSettings
from mailer.domain.feed import Feed, FeedPaper, Reason
from mailer.domain.issue import Issue, IssuePaper
from mailer.domain.subscription import Schedule, Subscriber, SubscriptionState
from mailer.storage import MailStore, issues, subscribers

NOW = dt.datetime(2026, 3, 11, 18, tzinfo=dt.UTC)


class FixedClock:
    """A clock that stands still until a test advances it."""

    def __init__(self, now: dt.datetime = NOW) -> None:
        self.time = now

    def now(self) -> dt.datetime:
        """Return the time that was set."""
        return self.time

    def advance(self, **duration: float) -> None:
        """Move the clock forward by the duration, given as the arguments of ``timedelta``."""
        self.time += dt.timedelta(**duration)


def settings_for(port: int, **changes: object) -> MailSettings:
    """Return settings that send to an unencrypted SMTP server on this machine."""
    fixed = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "smtp_connections": 2}
    return MailSettings.read({}, **{**fixed, "smtp_timeout_seconds": 5.0, **changes})


def address(number: int) -> str:
    """Return the address of subscriber ``number``."""
    return f"subscriber{number}@example.org"


def subscriber(
    number: int = 1,
    *,
    user_id: str = "",
    name: str = "",
    schedule: Schedule | None = None,
    paper_count: int = 10,
    created_at: dt.datetime = NOW,
) -> Subscriber:
    """Return an active subscriber."""
    return Subscriber(
        subscriber_id=f"s{number:06d}",
        user_id=user_id or f"u{number:06d}",
        address=address(number),
        name=name,
        state=SubscriptionState.ACTIVE,
        schedule=schedule or Schedule(),
        paper_count=paper_count,
        confirm_nonce="",
        created_at=created_at,
        updated_at=NOW,
    )


def feed(user_id: str = "u000001", *, count: int = 3, digest_id: str = "d1", title: str = "Paper {n}") -> Feed:
    """Return a feed whose papers have all optional fields."""
    papers = tuple(
        FeedPaper(
            position=n,
            paper_id=f"p{n}",
            title=title.format(n=n),
            abstract=f"We study the {n}th question and answer it. " * 12,
            authors=("Ada Lovelace", "Emmy Noether", "Sofia Kovalevskaya", "Grace Hopper")[: n % 4 + 1],
            url=f"https://arxiv.org/abs/2603.{n:05d}",
            reasons=(Reason("similar_to_liked", "A paper you liked"), Reason("fresh")),
        )
        for n in range(1, count + 1)
    )
    return Feed(user_id, f"slate-{user_id}-{digest_id}", digest_id, "none", papers)


def issue(number: int, digest_id: str = "d1", *, created_at: dt.datetime = NOW) -> Issue:
    """Return a small issue for subscriber ``number``."""
    name = f"i{number:06d}-{digest_id}"
    message_id = f"<{name}@example.org>"
    content = f"Message-ID: {message_id}\r\nSubject: {name}\r\n\r\nHello\r\n.dot\r\n".encode()
    papers = (IssuePaper(1, "p1", "Paper 1", "https://example.org/1"),)
    return Issue(name, f"s{number:06d}", digest_id, "slate", message_id, name, content, papers, created_at)


def fill(store: MailStore, count: int) -> None:
    """Add ``count`` subscribers, numbered from 0, each with an issue that is due."""
    with store.write() as connection:
        for number in range(count):
            subscribers.add(connection, subscriber(number))
            issues.add(connection, issue(number))
