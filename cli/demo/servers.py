"""Servers that run while a ``with`` block lasts: paperfeed's own, each in its own process, and an SMTP server."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP


class DemoFailed(Exception):
    """A step of the demo did not succeed."""


@contextmanager
def running(log_path: Path, *words: str) -> Iterator[str]:
    """Run ``paperfeed WORDS`` with its errors in a log file; yield the address that it listens on.

    Raises:
        DemoFailed: The server did not start.
    """
    command = [sys.executable, "-P", "-m", "cli.main", *words]
    with (
        log_path.open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,  # noqa: S603 (our own)
    ):
        try:
            assert process.stdout is not None  # noqa: S101 (PIPE was asked for)
            before, found, address = process.stdout.readline().partition("listening on ")
            if before or not found:
                raise DemoFailed(f"the server did not start; see {log_path}")
            yield address.strip()
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


class Postbox:
    """Stores each mail that the mail server accepts as ``<name>.eml``, and its HTML part as ``<name>.html``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.html: dict[str, str] = {}

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
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started = loop.create_server(lambda: SMTP(postbox, hostname="localhost", loop=loop), "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(started, loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
