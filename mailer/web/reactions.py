"""Stores likes, saves, dislikes and clicks on the papers of an issue, and recognises the clicks of mail scanners."""

import datetime as dt
import re
from dataclasses import dataclass

from mailer.clock import Clock
from mailer.domain.feed import Event
from mailer.domain.issue import IssuePaper
from mailer.domain.subscription import Subscriber
from mailer.errors import LinkRefused, NotFound
from mailer.links import Claim
from mailer.storage import MailStore, issues, reactions, subscribers
from mailer.storage.issues import StoredIssue

# A click sooner after sending is attributed to a scanner.
SOONEST_CLICK = dt.timedelta(seconds=5)
# This many clicks on papers of one issue within the window are attributed to a scanner.
SCANNER_CLICKS = 4
SCANNER_WINDOW = dt.timedelta(seconds=10)
_MACHINES = re.compile(
    r"bot|crawl|spider|scan|preview|fetch|python|curl|wget|headless|barracuda|proofpoint|mimecast", re.IGNORECASE
)


@dataclass(frozen=True)
class Place:
    """A paper in the issue of a subscriber."""

    subscriber: Subscriber
    issue: StoredIssue
    paper: IssuePaper


@dataclass(frozen=True)
class Reactions:
    """The reactions of subscribers to papers."""

    store: MailStore
    clock: Clock

    def place(self, claim: Claim) -> Place:
        """Return the paper that a link names.

        Raises:
            LinkRefused: The token names no paper of the issue.
            NotFound: The issue or its subscriber was deleted.
        """
        with self.store.read() as connection:
            subscriber = subscribers.find(connection, claim.subscriber_id)
            issue = issues.find(connection, claim.issue_id)
            papers = issues.papers_of(connection, claim.issue_id)
        if subscriber is None or issue is None:
            raise NotFound("issue", claim.issue_id)
        if issue.subscriber_id != subscriber.subscriber_id:
            raise LinkRefused("it belongs to another subscriber")
        paper = next((paper for paper in papers if str(paper.position) == claim.detail), None)
        if paper is None:
            raise LinkRefused("it names no paper")
        return Place(subscriber, issue, paper)

    def react(self, place: Place, event_type: str) -> bool:
        """Store a like, save, dislike or unlike; return False if it equals the present reaction to the paper."""
        now, paper_id = self.clock.now(), place.paper.paper_id
        with self.store.write() as connection:
            before = reactions.latest(connection, place.issue.issue_id)
            if before.get(paper_id, "unlike") == event_type:
                return False
            count = reactions.count(connection, place.issue.issue_id, paper_id)
            name = f"mail-{event_type}-{place.issue.issue_id}-{place.paper.position}-{count}"
            return reactions.add(
                connection,
                place.subscriber.subscriber_id,
                place.issue.issue_id,
                Event(name, place.subscriber.user_id, paper_id, event_type, now, place.issue.slate_id),
            )

    def click(self, place: Place, user_agent: str, *, is_prefetch: bool) -> None:
        """Store at most one click per paper and hour. Clicks of machines are stored separately and never count."""
        now, issue_id = self.clock.now(), place.issue.issue_id
        too_soon = place.issue.sent_at is not None and now - place.issue.sent_at < SOONEST_CLICK
        is_machine = is_prefetch or too_soon or not user_agent or _MACHINES.search(user_agent) is not None
        # The event ids differ, so that a scanner's click does not replace the subscriber's click of the same hour.
        kind = reactions.MACHINE_CLICK if is_machine else reactions.CLICK
        name = f"{kind}{issue_id}-{place.paper.position}-{now:%Y%m%d%H}"
        event = Event(name, place.subscriber.user_id, place.paper.paper_id, "click", now, place.issue.slate_id)
        with self.store.write() as connection:
            if is_machine:
                reactions.add(connection, place.subscriber.subscriber_id, issue_id, event, is_scanner=True)
                return
            reactions.add_click(connection, place.subscriber.subscriber_id, issue_id, event)
            since = now - SCANNER_WINDOW
            if reactions.clicks_since(connection, issue_id, since) >= SCANNER_CLICKS:
                reactions.mark_scanner(connection, issue_id, since)
