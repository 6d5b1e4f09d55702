"""Subscribers, feeds and a clock for tests."""

import datetime as dt

from mailer.domain.feed import Feed, FeedPaper, Reason, ReasonKind
from mailer.domain.subscription import Schedule, Subscriber, SubscriptionState

NOW = dt.datetime(2026, 3, 11, 18, tzinfo=dt.UTC)
# Of tests with a real feed service: long enough ago that no test's clock passes the service's own.
TODAY = dt.datetime.now(dt.UTC).replace(hour=12, minute=0, second=0, microsecond=0) - dt.timedelta(days=13)


class FixedClock:
    """Stands still until it is told to go on."""

    def __init__(self, now: dt.datetime = NOW) -> None:
        self.time = now

    def now(self) -> dt.datetime:
        """The time it was set to."""
        return self.time

    def go_on(self, **duration: float) -> None:
        """Lets time pass."""
        self.time += dt.timedelta(**duration)


def subscriber(
    number: int = 1,
    *,
    address: str = "",
    name: str = "",
    state: SubscriptionState = SubscriptionState.ACTIVE,
    schedule: Schedule | None = None,
    paper_count: int = 10,
) -> Subscriber:
    """An active subscriber."""
    return Subscriber(
        subscriber_id=f"s{number:06d}",
        user_id=f"u{number:06d}",
        address=address or f"reader{number}@example.org",
        name=name,
        state=state,
        schedule=schedule or Schedule(),
        paper_count=paper_count,
        confirm_nonce="",
        created_at=NOW,
        updated_at=NOW,
    )


def feed(user_id: str = "u000001", *, count: int = 3, digest_id: str = "d1", title: str = "Paper {n}") -> Feed:
    """A feed with all that a paper may bear."""
    papers = tuple(
        FeedPaper(
            position=n,
            paper_id=f"p{n}",
            title=title.format(n=n),
            abstract=f"We study the {n}th question and answer it. " * 12,
            authors=("Ada Lovelace", "Emmy Noether", "Sofia Kovalevskaya", "Grace Hopper")[: n % 4 + 1],
            categories=("cs.LG",),
            url=f"https://arxiv.org/abs/2603.{n:05d}",
            published_at=NOW - dt.timedelta(days=1),
            upvotes=n,
            reasons=(Reason(ReasonKind.SIMILAR_TO_LIKED, "A paper you liked"), Reason(ReasonKind.FRESH)),
        )
        for n in range(1, count + 1)
    )
    return Feed(user_id, f"slate-{user_id}-{digest_id}", digest_id, "default-1", "none", papers)
