"""The mail part of the demo: a mail server on this machine, three mails, and a like given on the page of one."""

import asyncio
import datetime as dt
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.demo.users import SampleUser

WAIT_SECONDS = 60.0


class DigestDay:
    """A clock that starts on the digest's day."""

    def __init__(self, start: dt.datetime) -> None:
        self._start = start
        self._began = time.monotonic()

    def now(self) -> dt.datetime:
        """Return the time, aware and in UTC."""
        return self._start + dt.timedelta(seconds=time.monotonic() - self._began)


class Postbox:
    """Stores each mail that the mail server accepts as ``<name>.eml``, and its HTML part as ``<name>.html``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.html: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for old in (*folder.glob("*.eml"), *folder.glob("*.html")):
            old.unlink()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        """Store one complete message; aiosmtpd calls this."""
        name = envelope.rcpt_tos[0].partition("@")[0]
        content = envelope.original_content
        (self._folder / f"{name}.eml").write_bytes(content)
        body = message_from_bytes(content, policy=default).get_body(("html",))
        self.html[name] = "" if body is None else body.get_content()
        (self._folder / f"{name}.html").write_text(self.html[name], encoding="utf-8")
        return "250 OK"


@contextmanager
def running_mail_server(postbox: Postbox) -> Iterator[int]:
    """Run an SMTP server on a free port of this machine; yield the port."""
    from aiosmtpd.smtp import SMTP

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await loop.create_server(lambda: SMTP(postbox, hostname="localhost", loop=loop), "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextmanager
def running_pages(out: Path, server: str) -> Iterator[str]:
    """Run ``paperfeed mail serve`` in its own process; yield the address of its pages."""
    command = [sys.executable, "-m", "cli.main", "mail", "serve", "--port", "0"]
    command += ["--server", server, "--mail-db", f"sqlite:///{out / 'mailer.db'}"]
    with (
        (out / "pages.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,  # noqa: S603 (our own)
    ):
        try:
            assert process.stdout is not None  # noqa: S101 (PIPE was asked for)
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def send_issues(out: Path, server: str, pages: str, smtp_port: int, users: "list[SampleUser]", day: dt.datetime) -> str:
    """Subscribe the users and send each an issue; return the summary of the run in words."""
    from mailer.config import MailSettings
    from mailer.domain.subscription import Schedule
    from mailer.run import MailRun
    from mailer.service import FeedService
    from mailer.storage import open_store
    from mailer.subscribers.subscriptions import Subscriptions

    settings = MailSettings.read(
        {},
        db=f"sqlite:///{out / 'mailer.db'}",
        server=server,
        base_url=pages,
        smtp_host="127.0.0.1",
        smtp_port=smtp_port,
        smtp_security="none",
        sender_name="paperfeed demo",
        postal_address="An invented sender, nowhere",
    )
    clock = DigestDay(day)
    store = open_store(settings.db)
    try:
        wanted = [(each.user_id, f"{each.user_id}@example.org", each.name, Schedule(), 5) for each in users]
        Subscriptions(store, clock).add_many(wanted, "invented for the demo")
        with FeedService(server) as service:
            summary = MailRun(store, service, settings, clock).run(everybody=True)
    finally:
        store.dispose()
    return summary.in_words()


def press_like(html: str, number: int) -> str:
    """Follow like link ``number`` of the mail (from 0), press the page's button, and return the paper's title."""
    link = re.findall(r'href="([^"]+/like/[^"]+)"', html)[number]
    if not link.startswith("http://127.0.0.1:"):
        raise ValueError(f"the link {link} does not lead to this machine")
    with urllib.request.urlopen(link, timeout=WAIT_SECONDS) as page:  # noqa: S310 (checked above)
        shown = page.read().decode()
    if '<form method="post">' not in shown:
        raise ValueError("the page behind the link has no button")
    with urllib.request.urlopen(link, data=b"", timeout=WAIT_SECONDS) as page:  # noqa: S310 (checked above)
        done = page.read().decode()
    if "<h1>Liked</h1>" not in done:
        raise ValueError("the page does not say that the like was stored")
    title = re.search(r'<p dir="auto">(.*?)</p>', done, re.DOTALL)
    return unescape(title[1]) if title else ""
