"""Delivery reports and complaints as other mail servers send them."""

REPORT = """\
From: MAILER-DAEMON@mx.example.net
To: bounces@example.org
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="B"

--B
Content-Type: text/plain

I'm sorry to have to inform you.

--B
Content-Type: {status_type}

{status}

--B
Content-Type: {returned_type}

{returned}

--B--
"""
RETURNED = "Message-ID: <i1@example.org>\nFrom: digest@example.org\nSubject: Papers\n"


def dsn(
    action: str = "failed", status: str = "5.1.1", address: str = "subscriber1@example.org", **changes: str
) -> bytes:
    """Return a delivery status notification as Postfix writes it."""
    text = (
        "Reporting-MTA: dns; mx.example.net\nArrival-Date: Wed, 11 Mar 2026 07:00:00 +0000\n\n"
        f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such\n    user here\n"
    )
    facts = {
        "kind": "delivery-status",
        "status_type": "message/delivery-status",
        "status": text,
        "returned_type": "text/rfc822-headers",
        "returned": RETURNED,
    }
    return REPORT.format(**{**facts, **changes}).encode()


def complaint(returned: str = RETURNED + "\nHello\n") -> bytes:
    """Return a feedback report (RFC 5965)."""
    return dsn(
        kind="feedback-report",
        status_type="message/feedback-report",
        status="Feedback-Type: abuse\nUser-Agent: Example/1.0\nVersion: 1\n",
        returned_type="message/rfc822",
        returned=returned,
    )
