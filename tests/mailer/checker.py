"""Checks a message for the requirements of large receivers: RFC 5322, MIME, RFC 8058, size, no remote content."""

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from html.parser import HTMLParser

PAPER_SITES = ("https://arxiv.org/", "https://example.org/")
"""Beginnings of the addresses of papers, which mails link to."""
VOID = {"meta", "br", "hr", "img", "link", "input"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.problems: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"img", "script", "iframe", "object", "link"} or "src" in values or "background" in values:
            self.problems.append(f"<{tag}> asks for something remote")
        if any(name.startswith("on") for name in values):
            self.problems.append(f"<{tag}> has a script")
        if tag == "a":
            self.links.append(values.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "title"}:
            self.text += data


def parts(content: bytes) -> tuple[EmailMessage, str, str]:
    """Return (message, text, HTML)."""
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return message, plain.get_content(), html.get_content()


def problems(content: bytes, base_url: str, *, bulk: bool = True) -> list[str]:
    """Return everything that is wrong with a message; empty for a good one."""
    headers = content.partition(b"\r\n\r\n")[0] + b"\r\n"
    bulk_problems = _bulk_problems(headers, base_url) if bulk else []
    return [*_line_problems(content), *_mime_problems(content), *bulk_problems, *_link_problems(content, base_url)]


def _line_problems(content: bytes) -> Iterator[str]:
    rest = content.replace(b"\r\n", b"")
    if b"\n" in rest or b"\r" in rest:
        yield "a bare CR or LF"
    if any(len(line) > 998 for line in content.split(b"\r\n")):
        yield "a line of more than 998 octets"
    if not content.isascii():
        yield "not 7 bit"
    if len(content) > 102_000:
        yield f"{len(content)} octets: clipped"


def _mime_problems(content: bytes) -> Iterator[str]:
    parsed = message_from_bytes(content, policy=SMTP)
    yield from (f"defect: {defect}" for part in parsed.walk() for defect in part.defects)
    yield from (f"defect in {name}: {value.defects}" for name, value in parsed.items() if getattr(value, "defects", ()))
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
        if len(parsed.get_all(name, [])) != 1:
            yield f"{name} stands {len(parsed.get_all(name, []))} times"
    kinds = [parsed.get_content_type(), *(part.get_content_type() for part in parsed.iter_parts())]
    if kinds != ["multipart/alternative", "text/plain", "text/html"]:
        yield f"parts {kinds}"


def _bulk_problems(headers: bytes, base_url: str) -> Iterator[str]:
    match = re.search(rb"^List-Unsubscribe: <([^>]+)>\r$", headers, re.MULTILINE)
    if match is None or not match[1].decode().startswith(f"{base_url}/unsubscribe/"):
        yield "no List-Unsubscribe in one line"
    one_click = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in headers
    if one_click != base_url.startswith("https://"):
        yield "List-Unsubscribe-Post belongs where the pages have https, and there alone"
    if re.search(rb"^List-Id: <[^>@ ]+>\r$", headers, re.MULTILINE) is None:
        yield "no List-Id"


def _link_problems(content: bytes, base_url: str) -> Iterator[str]:
    _, text, html = parts(content)
    page = _Page()
    page.feed(html)
    page.close()
    yield from (*page.problems, *(f"<{tag}> stays open" for tag in page.open))
    own = (f"{base_url}/", *PAPER_SITES)
    yield from (f"a link elsewhere: {link}" for link in page.links if not link.startswith(own))
    needed = [link for link in page.links if not link.startswith((f"{base_url}/save/", f"{base_url}/dislike/"))]
    yield from (f"a link that the text part has not: {link}" for link in needed if link not in text)


def text_of_html(content: bytes) -> str:
    """Return the visible text of the HTML part."""
    page = _Page()
    page.feed(parts(content)[2])
    return page.text
