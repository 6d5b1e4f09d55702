import datetime as dt
import mailbox
from collections import Counter
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailer.domain.issue import Issue, IssuePaper
from mailer.domain.subscription import SubscriptionState, SuppressionReason
from mailer.errors import InvalidFile
from mailer.sending.bounces import BounceReader
from mailer.storage import MailStore, issues, reactions, subscribers
from testing.mailer.builders import NOW, FixedClock, address, subscriber
from tests.mailer.sending.builders import complaint, dsn


@pytest.fixture
def reader(store: MailStore) -> BounceReader:
    """A reader of reports on three subscribers: the first was sent an issue of two papers, the second's is due."""
    with store.write() as connection:
        for number in (1, 2, 3):
            subscribers.add(connection, subscriber(number))
        papers = (IssuePaper(1, "p1", "One", ""), IssuePaper(2, "p2", "Two", ""))
        issues.add(connection, Issue("i1", "s000001", "d1", "slate", "<i1@example.org>", "s", b"", papers, NOW))
        issues.mark_sent(connection, "i1", NOW)
        issues.add(connection, Issue("i2", "s000002", "d1", "slate", "<i2@example.org>", "s", b"", (), NOW))
    return BounceReader(store, FixedClock())


def suppression(store: MailStore, number: int = 1) -> SuppressionReason | None:
    """Return the reason for stopped mail to the subscriber, and check that the state agrees."""
    with store.read() as connection:
        found = subscribers.find_suppression(connection, address(number))
        state = subscribers.find(connection, f"s{number:06d}")
    assert state is not None
    assert (state.state is SubscriptionState.SUPPRESSED) == (found is not None)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("message", "outcome", "expected"),
    [
        (dsn(), "suppressed", SuppressionReason.BOUNCE),
        (dsn(address="<Subscriber1@Example.org>"), "suppressed", SuppressionReason.BOUNCE),
        (dsn(status="5.0.0"), "suppressed", SuppressionReason.BOUNCE),
        (dsn(status="5.7.1"), "returned", None),
        (dsn(status="5.2.2"), "returned", None),
        (dsn(status="5.1.8"), "returned", None),
        (dsn(returned="Subject: forged\n"), "unknown", None),
        (dsn(returned="Message-ID: <other@example.org>\n"), "unknown", None),
        (dsn(returned="Message-ID: <i2@example.org>\n", address="subscriber2@example.org"), "unknown", None),
        (dsn(address="subscriber2@example.org"), "unknown", None),
        (dsn("delayed", "4.4.1"), "delayed", None),
        (dsn("failed", "4.4.7"), "delayed", None),
        (dsn("delivered", "2.0.0"), "delayed", None),
        (dsn(address="stranger@example.org"), "unknown", None),
        (complaint(), "complaint", SuppressionReason.COMPLAINT),
        (complaint("Subject: forged\n\nHello\n"), "unknown", None),
        (complaint("Message-ID: <other@example.org>\n\nHello\n"), "unknown", None),
        (dsn(status="", status_type="text/plain"), "unreadable", None),
        (b"Subject: I am on holiday\r\n\r\nBack on Monday\r\n", "other", None),
        (b"\x00\xff not mail at all", "other", None),
        (b"", "other", None),
    ],
)
def test_effect_of_a_report(
    reader: BounceReader, store: MailStore, message: bytes, outcome: str, expected: SuppressionReason | None
) -> None:
    """Permanent failures and complaints about sent issues stop the mail; delays and forgeries change nothing."""
    for _ in range(2):
        assert reader.read_message(message) == Counter({outcome: 1})
    assert suppression(store) is expected
    assert suppression(store, 2) is None


def test_line_ends(reader: BounceReader, store: MailStore) -> None:
    """A report with CRLF line ends, as SMTP transports it, has the same effect."""
    assert reader.read_message(dsn().replace(b"\n", b"\r\n")) == Counter(suppressed=1)
    assert suppression(store) is SuppressionReason.BOUNCE


def test_several_recipients(reader: BounceReader, store: MailStore) -> None:
    """Each recipient's part counts separately, and only the part of the issue's subscriber can stop mail."""
    more = dsn().replace(
        b"    user here\n",
        b"    user here\n\nFinal-Recipient: rfc822; subscriber2@example.org\nAction: delayed\nStatus: 4.0.0\n\n"
        b"Original-Recipient: rfc822; subscriber3@example.org\nFinal-Recipient: rfc822; inner@x\nAction: failed\n"
        b"Status: 5.0.0\n",
    )
    assert reader.read_message(more) == Counter(suppressed=1, delayed=1, unknown=1)
    assert [suppression(store, n) for n in (1, 2, 3)] == [SuppressionReason.BOUNCE, None, None]


def test_forwarded_mail(reader: BounceReader, store: MailStore) -> None:
    """For forwarded mail, the original recipient counts."""
    fields = b"Original-Recipient: rfc822; subscriber1@example.org\nFinal-Recipient: rfc822; inner@example.net"
    forwarded = dsn().replace(b"Final-Recipient: rfc822; subscriber1@example.org", fields)
    assert reader.read_message(forwarded) == Counter(suppressed=1)
    assert suppression(store) is SuppressionReason.BOUNCE


def test_returned_several_times_in_a_row(reader: BounceReader, store: MailStore) -> None:
    """Five returned issues in a row stop the mail; one that arrives in between restarts the count."""
    full = dsn(status="5.2.2")
    for number in range(1, 8):
        name = f"more{number}"
        with store.write() as connection:
            at = NOW + dt.timedelta(days=number)
            message_id = f"<{name}@example.org>"
            issues.add(connection, Issue(name, "s000001", name, "slate", message_id, "s", b"", (), at))
            issues.mark_sent(connection, name, at)
        if number == 2:
            continue
        bounce = full.replace(b"<i1@", f"<{name}@".encode())
        for _ in range(2):
            assert reader.read_message(bounce) == Counter({"suppressed" if number == 7 else "returned": 1})
        assert suppression(store) is (SuppressionReason.BOUNCE if number == 7 else None)


def test_events_of_a_complaint(reader: BounceReader, store: MailStore) -> None:
    """Each paper of the issue gets one complaint event."""
    for _ in range(2):
        reader.read_message(complaint())
    with store.read() as connection:
        told = [(each.event_type, each.paper_id) for _, each in reactions.waiting(connection, 10, NOW)]
    assert told == [("complaint", "p1"), ("complaint", "p2")]


def test_a_maildir(reader: BounceReader, store: MailStore, tmp_path: Path) -> None:
    """Processed reports move to cur; unreadable ones stay and are named; a second run changes nothing."""
    box = mailbox.Maildir(str(tmp_path / "mail"))
    bad = box.add(dsn(status="", status_type="text/plain"))
    for message in (dsn(), complaint(), EmailMessage().as_bytes()):
        box.add(message)
    box.close()

    first = reader.read_maildir(tmp_path / "mail")

    assert first == Counter(suppressed=1, complaint=1, other=1, unreadable=1)
    assert [file.name for file in (tmp_path / "mail" / "new").iterdir()] == [bad]
    assert len(list((tmp_path / "mail" / "cur").iterdir())) == 3
    assert bad in reader.problems[0]
    assert reader.read_maildir(tmp_path / "mail") == Counter(unreadable=1)
    assert suppression(store) is SuppressionReason.BOUNCE
    with pytest.raises(InvalidFile, match="is not a Maildir"):
        reader.read_maildir(tmp_path)
