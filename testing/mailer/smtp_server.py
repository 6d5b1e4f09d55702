"""A real SMTP server on this machine that keeps accepted messages and refuses what a test tells it to.

As a program, ``python -m testing.mailer.smtp_server LOG`` prints its port. For each complete message, it appends
``recipient<TAB>message-id`` to the log before it accepts the message.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

Refusal = Callable[[str], str | None]


class Inbox:
    """The messages that the server accepted, and rules for refusals.

    Attributes:
        messages: (recipient, content) in order of arrival.
        refuse_sender: Maps an address to an SMTP reply such as ``550 5.1.1 no such user``, or to None to accept it.
        refuse_recipient: The same for the recipient.
        refuse_message: The same for the recipient's message, after it has arrived.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.refuse_sender: Refusal = lambda _: None
        self.refuse_recipient: Refusal = lambda _: None
        self.refuse_message: Refusal = lambda _: None
        self.port = 0

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept or refuse a sender."""
        refusal = self.refuse_sender(address)
        if refusal is None:
            envelope.mail_from = address
        return refusal or "250 OK"

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept or refuse a recipient."""
        refusal = self.refuse_recipient(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        """Keep or refuse a message."""
        address, content = envelope.rcpt_tos[0], envelope.original_content or b""
        refusal = self.refuse_message(address)
        if refusal is None:
            self.messages.append((address, content))
        return refusal or "250 OK"

    @property
    def addresses(self) -> list[str]:
        """The recipients, in order of arrival."""
        return [address for address, _ in self.messages]


@contextmanager
def smtp_server(**options: Any) -> Iterator[Inbox]:
    """Run a server on a free port and yield its inbox; the options are those of aiosmtpd's ``SMTP``."""
    inbox, loop = Inbox(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="smtp-server", daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await loop.create_server(lambda: SMTP(inbox, hostname="localhost", loop=loop, **options), "127.0.0.1", 0)

    async def stop() -> None:
        server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    inbox.port = server.sockets[0].getsockname()[1]
    try:
        yield inbox
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class _Log:
    """Writes a line for each message and flushes it before the reply."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        """Log a message."""
        content = envelope.original_content or b""
        start = content.lower().index(b"message-id:") + len("message-id:")
        message_id = content[start : content.index(b"\r\n", start)].decode().strip()
        self._file.write(f"{envelope.rcpt_tos[0]}\t{message_id}\n")
        return "250 OK"


async def _serve(path: Path) -> None:
    loop = asyncio.get_running_loop()
    handler = _Log(path)
    server = await loop.create_server(lambda: SMTP(handler, hostname="localhost", loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 (the test reads it)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
