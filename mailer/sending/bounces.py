"""Processes returned mail and complaints, and stops mail to the addresses concerned.

Delivery status notifications follow RFC 3464, complaints RFC 5965. A report counts only if it contains the Message-ID
of an issue that was sent; a delivery report must also name the address of that issue. Anybody can write to the bounce
address, but only the recipient of an issue knows its Message-ID.
"""

import mailbox
import re
from collections import Counter
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from pathlib import Path

from mailer.clock import Clock
from mailer.domain.address import address_key
from mailer.domain.issue import IssueState
from mailer.domain.subscription import SuppressionReason
from mailer.errors import InvalidFile
from mailer.sending.smtp_codes import NO_MAILBOX
from mailer.storage import MailStore, issues, reactions, standing, subscribers
from mailer.storage.issues import StoredIssue

RETURNED_IN_A_ROW = 5
"""Number of consecutive permanently returned issues after which mail to an address is stopped, whatever the causes."""
_ENHANCED = re.compile(r"\b5\.\d{1,3}\.\d{1,3}\b")


@dataclass(frozen=True)
class BounceReader:
    """Reads reports and applies them to the subscriptions; reading a report again changes nothing.

    Attributes:
        problems: A sentence about each report that could not be read.
    """

    store: MailStore
    clock: Clock
    problems: list[str] = field(default_factory=list)

    def read_maildir(self, folder: Path) -> Counter[str]:
        """Process all messages in ``new`` of a Maildir, and move each processed message to ``cur``.

        An unreadable message stays in ``new`` and is named in ``problems``. The counts are those of ``read_message``.

        Raises:
            InvalidFile: The folder is not a Maildir.
        """
        if not (folder / "new").is_dir() or not (folder / "cur").is_dir():
            raise InvalidFile(str(folder), "is not a Maildir: the folders new and cur are missing")
        outcomes: Counter[str] = Counter()
        box = mailbox.Maildir(str(folder), create=False)
        for file in sorted((folder / "new").iterdir()):
            found = self.read_message(file.read_bytes(), file.name)
            outcomes += found
            if not found["unreadable"]:
                # The Maildir flag S means seen.
                file.rename(folder / "cur" / f"{file.name.partition(':')[0]}:2,S")
        box.close()
        return outcomes

    def read_message(self, content: bytes, name: str = "stdin") -> Counter[str]:
        """Process one message and count its recipients by outcome.

        ``suppressed``: mail to the address is stopped. ``complaint``: mail is stopped because of a complaint.
        ``returned``: returned permanently by an existing mailbox, and recorded. ``delayed``: not a permanent failure.
        ``unknown``: not about an issue that was sent. ``other``: not a report. ``unreadable``: a report without status.
        """
        message = message_from_bytes(content, policy=compat32)
        kind = message.get_content_type()
        report = str(message.get_param("report-type") or "").lower()
        if kind != "multipart/report" or report not in {"delivery-status", "feedback-report"}:
            return Counter(other=1)
        parts = {part.get_content_type(): part for part in message.walk()}
        about = self._issue(parts)
        if report == "feedback-report":
            return Counter([self._complaint(parts, about)])
        status = parts.get("message/delivery-status")
        blocks = status.get_payload() if status is not None else []
        recipients = [block for block in blocks if isinstance(block, Message) and block["Final-Recipient"]]
        if not recipients:
            self.problems.append(f"{name}: the delivery report has no status of a recipient")
            return Counter(unreadable=1)
        return Counter(self._recipient(block, about) for block in recipients)

    def _recipient(self, block: Message, about: StoredIssue | None) -> str:
        """Apply one recipient's part of a delivery report and return the outcome."""
        action, status = _word(block["Action"]), _word(block["Status"])
        if action != "failed" or not status.startswith("5"):
            return "delayed"
        named = {address_key(_address(block[field])) for field in ("Original-Recipient", "Final-Recipient")}
        said = " ".join(str(block["Diagnostic-Code"] or "").split())
        found = _ENHANCED.search(said)
        # 5.0.0 gives no cause; the diagnostic text may contain a better code.
        code = found[0] if found and status == "5.0.0" else status
        with self.store.write() as connection:
            subscriber = subscribers.find(connection, about.subscriber_id) if about else None
            if about is None or subscriber is None or address_key(subscriber.address) not in named:
                return "unknown"
            detail = f"{status} {said}"[:300]
            in_a_row = standing.note_returned(connection, about, detail)
            if code not in NO_MAILBOX and in_a_row < RETURNED_IN_A_ROW:
                return "returned"
            subscribers.suppress(connection, subscriber.address, SuppressionReason.BOUNCE, detail, self.clock.now())
        return "suppressed"

    def _complaint(self, parts: dict[str, Message], about: StoredIssue | None) -> str:
        """Stop mail to the subscriber whose issue the complaint contains, and return the outcome."""
        if "message/feedback-report" not in parts or about is None:
            return "unknown"
        now = self.clock.now()
        with self.store.write() as connection:
            subscriber = subscribers.find(connection, about.subscriber_id)
            if subscriber is None:
                return "unknown"
            subscribers.suppress(connection, subscriber.address, SuppressionReason.COMPLAINT, "feedback report", now)
            for event in issues.paper_events(connection, about, subscriber.user_id, "complaint", now):
                reactions.add(connection, subscriber.subscriber_id, about.issue_id, event)
        return "complaint"

    def _issue(self, parts: dict[str, Message]) -> StoredIssue | None:
        """Return the sent issue whose Message-ID is in the returned message or its headers, else None."""
        for kind in ("message/rfc822", "text/rfc822-headers"):
            part = parts.get(kind)
            if part is None:
                continue
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else None
            if inner is None:
                raw = part.get_payload(decode=True)
                inner = message_from_bytes(raw if isinstance(raw, bytes) else b"", policy=compat32)
            if isinstance(inner, Message) and inner["Message-ID"]:
                with self.store.read() as connection:
                    found = issues.find_by_message_id(connection, str(inner["Message-ID"]).strip())
                return found if found is not None and found.state is IssueState.SENT else None
        return None


def _address(field: object) -> str:
    """Return the address of a recipient field such as ``rfc822; someone@example.org``; empty if there is none."""
    kind, _, address = str(field or "").partition(";")
    return address.strip().strip("<>") if kind.strip().lower() == "rfc822" else ""


def _word(field: object) -> str:
    return (str(field or "").split() or [""])[0].lower()
