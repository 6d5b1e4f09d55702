"""Issues: the e-mail made for one subscriber from one digest, and its delivery state."""

import datetime as dt
import enum
from dataclasses import dataclass


class IssueState(enum.Enum):
    """The delivery state of an issue."""

    DUE = "due"
    """The issue waits in the outbox until its ``next_attempt_at``."""
    CLAIMED = "claimed"
    """A mailer holds the issue under a lease. When the lease ends, the issue is due again."""
    SENT = "sent"
    """The SMTP server accepted the issue."""
    FAILED = "failed"
    """The issue was refused permanently or reached the maximum number of attempts; ``problem`` gives the cause."""
    CANCELLED = "cancelled"
    """The subscription ended before the issue was sent, or a newer issue replaced it."""


@dataclass(frozen=True)
class IssuePaper:
    """A paper at one position of an issue; ``url`` is the target of the click redirect, empty if there is none."""

    position: int
    paper_id: str
    title: str
    url: str


@dataclass(frozen=True)
class Issue:
    """A rendered issue, ready to be sent.

    Attributes:
        issue_id: Random id that names the issue in links.
        digest_id: Id of the newest digest in the issue; (subscriber_id, digest_id) is unique.
        slate_id: Id of the slate that the feed service returned.
        message_id: Message-ID with angle brackets; equal for all attempts.
        content: Complete RFC 5322 message with CRLF line ends, unsigned.
    """

    issue_id: str
    subscriber_id: str
    digest_id: str
    slate_id: str
    message_id: str
    subject: str
    content: bytes
    papers: tuple[IssuePaper, ...]
    created_at: dt.datetime
