"""Likes, saves, dislikes and clicks on the papers of an issue, stored before anything else happens."""

import datetime as dt
import re
from dataclasses import dataclass

from mailer.clock import Clock
from mailer.errors import LinkRefused, NotFound
from mailer.issues.feed import Event
from mailer.issues.issue import IssuePaper
from mailer.links import Claim
from mailer.storage import MailStore, issues, reactions, subscribers
from mailer.storage.issues import StoredIssue
from mailer.subscribers.subscription import Subscriber

# Nobody reads a mail and chooses a paper in so short a time after it left.
SOONEST_CLICK = dt.timedelta(seconds=5)
# So many papers of one issue in so short a time are a machine's work.
SCANNER_CLICKS = 4
SCANNER_WINDOW = dt.timedelta(seconds=10)
_MACHINES = re.compile(
    r"bot|crawl|spider|scan|preview|fetch|python|curl|wget|headless|barracuda|proofpoint|mimecast", re.IGNORECASE
)


@dataclass(frozen=True)
class Place:
    """A paper in a reader's issue."""

    reader: Subscriber
    issue: StoredIssue
    paper: IssuePaper


class Reactions:
    """What a link about a paper leads to."""

    def __init__(self, store: MailStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def place(self, claim: Claim) -> Place:
        """The paper that a link is about.

        Raises:
            LinkRefused: The token names no place in an issue.
            NotFound: The issue is kept no more, or its reader is gone.
        """
        with self._store.read() as connection:
            reader = subscribers.find(connection, claim.subscriber_id)
            issue = issues.find(connection, claim.issue_id)
            papers = issues.papers_of(connection, claim.issue_id)
        if reader is None or issue is None:
            raise NotFound("issue", "of this link: it is kept no more")
        if issue.subscriber_id != reader.subscriber_id:
            raise LinkRefused("it belongs to somebody else")
        paper = next((paper for paper in papers if str(paper.position) == claim.detail), None)
        if paper is None:
            raise LinkRefused("it names no paper")
        return Place(reader, issue, paper)

    def react(self, place: Place, event_type: str) -> bool:
        """Stores a like, save, dislike or unlike; False where that is what already holds."""
        now, paper_id = self._clock.now(), place.paper.paper_id
        with self._store.write() as connection:
            before = reactions.latest(connection, place.issue.issue_id)
            if before.get(paper_id, "unlike") == event_type:
                return False
            count = reactions.count(connection, place.issue.issue_id, paper_id)
            name = f"mail-{event_type}-{place.issue.issue_id}-{place.paper.position}-{count}"
            return reactions.add(
                connection,
                place.reader.subscriber_id,
                place.issue.issue_id,
                Event(name, place.reader.user_id, paper_id, event_type, now, place.issue.slate_id),
            )

    def click(self, place: Place, user_agent: str, *, is_prefetch: bool) -> None:
        """Stores at most one click that counts per paper and hour; a machine's is stored beside it and never counts."""
        now, issue_id = self._clock.now(), place.issue.issue_id
        too_soon = place.issue.sent_at is not None and now - place.issue.sent_at < SOONEST_CLICK
        is_machine = is_prefetch or too_soon or not user_agent or _MACHINES.search(user_agent) is not None
        # Names apart: a scanner comes first, and must not take the reader's place in the hour.
        kind = reactions.MACHINE_CLICK if is_machine else reactions.CLICK
        name = f"{kind}{issue_id}-{place.paper.position}-{now:%Y%m%d%H}"
        event = Event(name, place.reader.user_id, place.paper.paper_id, "click", now, place.issue.slate_id)
        with self._store.write() as connection:
            if is_machine:
                reactions.add(connection, place.reader.subscriber_id, issue_id, event, is_scanner=True)
                return
            reactions.add_click(connection, place.reader.subscriber_id, issue_id, event)
            since = now - SCANNER_WINDOW
            if reactions.clicks_since(connection, issue_id, since) >= SCANNER_CLICKS:
                reactions.mark_scanner(connection, issue_id, since)

    def held(self, issue_id: str) -> dict[str, str]:
        """The last deliberate reaction to each paper: paper_id to event type."""
        with self._store.read() as connection:
            return reactions.latest(connection, issue_id)
