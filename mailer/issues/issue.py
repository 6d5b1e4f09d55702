"""One subscriber's e-mail made from a digest, and where it stands on its way."""

import datetime as dt
import enum
from dataclasses import dataclass


class IssueState(enum.Enum):
    """Where an issue stands.

    DUE ones wait for ``next_attempt_at``; a CLAIMED one whose lease has ended is due again.
    """

    DUE = "due"
    CLAIMED = "claimed"
    SENT = "sent"
    """The SMTP server accepted it."""
    FAILED = "failed"
    """It never will be: refused for good, or tried too often; ``problem`` says why."""
    CANCELLED = "cancelled"
    """The subscriber left before it went out."""


@dataclass(frozen=True)
class IssuePaper:
    """A place in an issue. ``url`` is where the click redirect may lead; empty where the paper has none."""

    position: int
    paper_id: str
    title: str
    url: str


@dataclass(frozen=True)
class Issue:
    """As rendered, once.

    Attributes:
        issue_id: Random, names the issue in links; tells nothing.
        digest_id: Of the newest digest in it; (subscriber_id, digest_id) is unique.
        slate_id: As served by the feed service.
        message_id: With angle brackets; the same at every attempt.
        content: The whole message, RFC 5322, CRLF line ends, before any signature.
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
