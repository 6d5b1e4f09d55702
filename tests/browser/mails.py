"""Messages in the inbox of a test, and the links in them."""

import re
import time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from testing.mailer.smtp_server import Inbox


def wait_for_mail(inbox: Inbox, address: str, count: int = 1) -> bytes:
    """Wait until an address has got ``count`` messages, and return the newest."""
    end = time.monotonic() + 60
    while len(found := [content for to, content in inbox.messages if to == address]) < count:
        assert time.monotonic() < end, "no mail came"
        time.sleep(0.05)
    return found[-1]


def html_of(content: bytes) -> str:
    """Return the HTML part of a message."""
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("html",))
    assert body is not None
    text: str = body.get_content()
    return text


def links_of(content: bytes) -> dict[str, list[str]]:
    """Return the links in the HTML part of a message, by purpose."""
    found: dict[str, list[str]] = {}
    for link in re.findall(r'href="([^"]+)"', html_of(content)):
        found.setdefault(link.split("/")[3], []).append(link)
    return found
