"""Writes an issue to files for inspection. Nothing is stored or sent."""

import secrets
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.domain.feed import Feed
from mailer.domain.issue import Issue
from mailer.domain.subscription import Schedule, Subscriber, SubscriptionState
from mailer.issues.message import Draft, compose
from mailer.links import Links


def compose_preview(feed: Feed, settings: MailSettings, clock: Clock) -> Issue:
    """Return an issue of the feed for an invented subscriber.

    Its links are signed with a random key, so they do not work; links to papers do.
    """
    now, papers = clock.now(), len(feed.papers)
    subscriber = Subscriber(
        subscriber_id="preview",
        user_id=feed.user_id,
        address="subscriber@example.org",
        name="",
        state=SubscriptionState.ACTIVE,
        schedule=Schedule(),
        paper_count=papers,
        confirm_nonce="",
        created_at=now,
        updated_at=now,
    )
    draft = Draft("preview", (now.date(),), feed)
    return compose(draft, subscriber, settings, Links(secrets.token_bytes(32), settings.base_url), now)


def write_message(content: bytes, folder: Path, name: str) -> None:
    """Write a message to ``name.eml``, its HTML part to ``name.html`` and its text part to ``name.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    message = message_from_bytes(content, policy=default)
    (folder / f"{name}.eml").write_bytes(content)
    for kind, ending in (("html", "html"), ("plain", "txt")):
        body = message.get_body((kind,))
        assert body is not None  # noqa: S101 (every issue has both parts)
        (folder / f"{name}.{ending}").write_text(body.get_content(), encoding="utf-8")
