"""Composes messages in RFC 5322 and MIME format, with the headers that large receivers require of bulk mail.

With List-Unsubscribe and List-Unsubscribe-Post (RFC 8058), a mail client can end the subscription with one POST. The
second header is set only if the web pages have https, as the RFC requires.
"""

import datetime as dt
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime
from typing import Any

from mailer.config import PREFIX, MailSettings
from mailer.domain.feed import Feed, FeedPaper
from mailer.domain.issue import Issue, IssuePaper
from mailer.domain.subscription import Subscriber
from mailer.errors import InvalidField
from mailer.issues.reasons import fallback_in_words, in_words
from mailer.issues.rendering import render_mail, render_text
from mailer.issues.text import authors_in_words, in_one_line, isolated, readable, shortened
from mailer.links import Links, Purpose

MAX_BYTES = 95_000
"""Maximum size of an issue. Gmail truncates a message at 102 kB and so hides the unsubscribe link."""
SUBJECT_LENGTH = 78


class _Headers(HeaderRegistry):
    """Caches the class of each kind of header; the library creates one for each header of each message."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, type] = {}

    def __getitem__(self, name: str) -> type:
        kind = name.lower()
        if kind not in self._made:
            found = super().__getitem__(name)
            self._made[kind] = type("Whole", (_Whole, found), {}) if kind in {"from", "to", "reply-to"} else found
        return self._made[kind]


class _Whole:
    """A header with addresses that is not folded. Folding would lose the quotes around a name, and its backslashes.

    Only names with characters beyond ASCII are folded, because they are encoded in short words. A line may have 998
    octets.
    """

    def fold(self, *, policy: Policy) -> str:
        """Return the header as it is sent."""
        return str(super().fold(policy=policy.clone(max_line_length=998) if str(self).isascii() else policy))  # type: ignore[misc]


_POLICY = SMTP.clone(max_line_length=78, cte_type="7bit", header_factory=_Headers())


@dataclass(frozen=True)
class Draft:
    """The content of an issue before rendering.

    Attributes:
        days: Days that the issue covers, ascending, at least one.
        feed: Papers of the issue; ``digest_id`` names the newest of its digests.
        is_first: Whether this is the subscriber's first issue, which explains what the mail is.
    """

    issue_id: str
    days: tuple[dt.date, ...]
    feed: Feed
    is_first: bool = False


def compose(draft: Draft, subscriber: Subscriber, settings: MailSettings, links: Links, now: dt.datetime) -> Issue:
    """Return the rendered issue, unsigned.

    If the message exceeds ``MAX_BYTES``, abstracts are shortened, then omitted. After that, the last papers are omitted
    from the message; the web page of the issue shows all of them.
    """
    count, content = len(draft.feed.papers), b""
    for abstract_length, shown in _lengths(count):
        content = _content(draft, subscriber, settings, links, now, abstract_length=abstract_length, shown=shown)
        if len(content) <= MAX_BYTES:
            break
    return Issue(
        issue_id=draft.issue_id,
        subscriber_id=subscriber.subscriber_id,
        digest_id=draft.feed.digest_id,
        slate_id=draft.feed.slate_id,
        message_id=_message_id(draft.issue_id, settings),
        subject=_subject(draft, settings),
        content=content,
        papers=tuple(
            IssuePaper(paper.position, paper.paper_id, readable(paper.title), paper.web_url)
            for paper in draft.feed.papers
        ),
        created_at=now,
    )


def _lengths(count: int) -> Iterator[tuple[int, int]]:
    """Yield (maximum characters of an abstract, number of papers shown) in decreasing order."""
    yield from ((280, count), (120, count), (0, count))
    while count > 1:
        count = count * 2 // 3
        yield 0, count


def _content(
    draft: Draft,
    subscriber: Subscriber,
    settings: MailSettings,
    links: Links,
    now: dt.datetime,
    *,
    abstract_length: int,
    shown: int,
) -> bytes:
    papers = [
        _shown(paper, draft.issue_id, subscriber.subscriber_id, links, track_clicks=settings.track_clicks)
        for paper in draft.feed.papers[:shown]
    ]
    for number, paper in enumerate(papers, 1):
        paper["number"] = str(number)
        paper["text"] = shortened(paper["text"], abstract_length) if abstract_length else ""
    facts: dict[str, Any] = {
        "sender": settings.sender_name,
        "subject": _subject(draft, settings),
        "heading": _heading(draft),
        "preheader": shortened(" · ".join(paper["title"] for paper in papers[1:4]), 160),
        "intro": _introduction(draft, subscriber, settings),
        "note": fallback_in_words(draft.feed),
        "sections": _sections(draft.feed, papers),
        "more": len(draft.feed.papers) - shown,
        "address": subscriber.address,
        "postal": settings.postal_address,
        "view_url": links.url(Purpose.VIEW, subscriber.subscriber_id, draft.issue_id),
        "open_url": links.url(Purpose.OPEN, subscriber.subscriber_id),
        "preferences_url": links.url(Purpose.PREFERENCES, subscriber.subscriber_id),
        "unsubscribe_url": links.url(Purpose.UNSUBSCRIBE, subscriber.subscriber_id, draft.issue_id),
    }
    one_click = settings.base_url.startswith("https://")
    whole_lines = {
        "Message-ID": _message_id(draft.issue_id, settings),
        "List-Id": f"<{settings.list_id or 'digest.' + _domain(settings)}>",
        "List-Unsubscribe": f"<{facts['unsubscribe_url']}>",
        **({"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if one_click else {}),
    }
    return _with_whole_lines(_message(subscriber, "issue", facts, settings, now), whole_lines)


def compose_confirmation(subscriber: Subscriber, settings: MailSettings, links: Links, now: dt.datetime) -> bytes:
    """Return the message that asks the owner of an address to confirm the subscription."""
    url = links.url(Purpose.CONFIRM, subscriber.subscriber_id, detail=subscriber.confirm_nonce)
    facts = {
        "sender": settings.sender_name,
        "subject": f"Please confirm: {settings.sender_name}",
        "preheader": "You get no mail unless you confirm.",
        "address": subscriber.address,
        "postal": settings.postal_address,
        "confirm_url": url,
    }
    message_id = _message_id(f"confirm-{subscriber.subscriber_id}-{subscriber.confirm_nonce}", settings)
    return _with_whole_lines(_message(subscriber, "confirm", facts, settings, now), {"Message-ID": message_id})


def compose_sign_in(subscriber: Subscriber, settings: MailSettings, links: Links, now: dt.datetime) -> bytes:
    """Return the message with the link that opens a subscriber's page."""
    facts = {
        "sender": settings.sender_name,
        "subject": f"Sign in: {settings.sender_name}",
        "preheader": "The link works for 15 minutes.",
        "address": subscriber.address,
        "postal": settings.postal_address,
        "enter_url": links.url(Purpose.SIGN_IN, subscriber.subscriber_id),
    }
    message_id = _message_id(f"enter-{secrets.token_urlsafe(9)}", settings)
    return _with_whole_lines(_message(subscriber, "sign_in", facts, settings, now), {"Message-ID": message_id})


def _message(
    subscriber: Subscriber, template: str, facts: dict[str, Any], settings: MailSettings, now: dt.datetime
) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    message["From"] = _address("SENDER_ADDRESS", settings.sender_address, settings.sender_name)
    message["To"] = _address("address", subscriber.address, subscriber.name)
    message["Subject"] = facts["subject"]
    message["Date"] = format_datetime(now)
    if settings.reply_to:
        message["Reply-To"] = _address("REPLY_TO", settings.reply_to, "")
    # Prevents out-of-office replies (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(render_text(f"{template}.txt", **facts), cte="quoted-printable")
    message.add_alternative(render_mail(f"{template}.html", **facts), subtype="html", cte="quoted-printable")
    return message


def _with_whole_lines(message: EmailMessage, headers: dict[str, str]) -> bytes:
    """Return the message with additional headers in front that must not be folded.

    The email package writes a word longer than a line as encoded words, which receivers do not decode in the address of
    List-Unsubscribe. A line may have 998 octets.

    Raises:
        InvalidField: A setting in one of these headers has characters beyond printable ASCII, or is too long.
    """
    lines = [f"{name}: {value}" for name, value in headers.items()]
    for line in lines:
        if not (line.isascii() and line.isprintable() and len(line) < 998):
            raise InvalidField(PREFIX + "BASE_URL, SENDER_ADDRESS or LIST_ID", f"cannot be used in a header: {line!r}")
    return "".join(f"{line}\r\n" for line in lines).encode() + message.as_bytes()


def _address(field: str, address: str, name: str) -> Address:
    try:
        return Address(display_name=in_one_line(name), addr_spec=address)
    except (ValueError, IndexError, AttributeError, MessageError) as error:
        raise InvalidField(field, f"'{address}' cannot be used in a header: {error}") from None


def _message_id(name: str, settings: MailSettings) -> str:
    return f"<{name}@{_domain(settings)}>"


def _domain(settings: MailSettings) -> str:
    return settings.sender_address.rpartition("@")[2] or "localhost"


def _heading(draft: Draft) -> str:
    first, last = draft.days[0], draft.days[-1]
    days = f"{last:%A, %-d %B %Y}" if first == last else f"{first:%-d %B} to {last:%-d %B %Y}"
    count = len(draft.feed.papers)
    return f"{count} paper{'' if count == 1 else 's'} for you: {days}"


def _subject(draft: Draft, settings: MailSettings) -> str:
    first = readable(draft.feed.papers[0].title) if draft.feed.papers else ""
    more = len(draft.feed.papers) - 1
    ending = f" and {more} more" if more > 0 else ""
    room = SUBJECT_LENGTH - len(ending) - len(settings.sender_name) - 2
    return f"{settings.sender_name}: {shortened(first, max(room, 20))}{ending}"


def _introduction(draft: Draft, subscriber: Subscriber, settings: MailSettings) -> str:
    """Return what the mail is and how to change it, for a first issue; otherwise an empty text."""
    if not draft.is_first:
        return ""
    days = subscriber.schedule.days_in_words
    when = days if days == "daily" else f"on {days}"
    return (
        f"Welcome to {settings.sender_name}: new research papers, chosen for you. You get this mail {when}, because "
        f"{subscriber.address} was subscribed. Use the links at the end to change the days or to unsubscribe."
    )


def _sections(feed: Feed, papers: Sequence[dict[str, str]]) -> list[tuple[str, list[dict[str, str]]]]:
    """Return the name and the papers of each section that has any; a single list is a section without a name."""
    names = dict(feed.sections)
    found: dict[str, list[dict[str, str]]] = {}
    for paper, shown in zip(feed.papers, papers, strict=False):
        found.setdefault(readable(names.get(paper.interest_id, "")), []).append(shown)
    return list(found.items())


def _shown(paper: FeedPaper, issue_id: str, subscriber_id: str, links: Links, *, track_clicks: bool) -> dict[str, str]:
    """Return the template's values of a paper."""

    def url(purpose: Purpose) -> str:
        return links.url(purpose, subscriber_id, issue_id, paper.position)

    title, why = readable(paper.title), in_words(paper.reasons)
    return {
        "title": title,
        "plain_title": isolated(title),
        "why": why,
        "plain_why": isolated(why),
        "by": shortened(authors_in_words(paper.authors), 160),
        "text": readable(paper.abstract[:2_000]),
        "url": url(Purpose.CLICK) if track_clicks and paper.web_url else paper.web_url,
        "pdf_url": paper.pdf_url,
        "facts": readable(paper.facts),
        "like_url": url(Purpose.LIKE),
        "save_url": url(Purpose.SAVE),
        "dislike_url": url(Purpose.DISLIKE),
    }
