"""An SMTP server that misbehaves in ways that aiosmtpd cannot: it hangs up, falls silent or answers late."""

import contextlib
import re
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

HANG_UP_AT_RECIPIENT = "hangs up at the recipient"
REFUSE_DATA = "refuses the command DATA"
RESET_IN_DATA = "resets the connection while the message comes"
HANG_UP_AFTER_DOT = "takes the message and hangs up"
SILENT_AFTER_DOT = "takes the message and says nothing"
LATE_AFTER_DOT = "takes the message and says so late"


class RudeServer(socketserver.ThreadingTCPServer):
    """An SMTP server with a misbehaviour for each recipient.

    Attributes:
        manners: One of the constants above by address; messages to other addresses are accepted.
        copies: Number of complete messages by address.
        refusal: Reply to the command DATA with REFUSE_DATA.
        greets: Whether the server sends a greeting.
        late_seconds: Delay of the reply with LATE_AFTER_DOT.
    """

    allow_reuse_address = True
    daemon_threads = True
    # Closing the server does not wait for handlers that are still waiting.
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.manners: dict[str, str] = {}
        self.copies: Counter[str] = Counter()
        self.refusal = "554 5.6.0 not like this"
        self.greets = True
        self.late_seconds = 1.3
        self.released = threading.Event()

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return int(self.server_address[1])


class _Session(socketserver.StreamRequestHandler):
    server: RudeServer

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            if not self.server.greets:
                self.server.released.wait(10)
                return None
            self._say("220 hello")
            address = ""
            while line := self.rfile.readline():
                command = line[:4].upper()
                if command == b"QUIT":
                    return self._say("221 bye")
                if command == b"RCPT":
                    found = re.search(rb"<(.*?)>", line)
                    address = found[1].decode() if found else ""
                    if self.server.manners.get(address) == HANG_UP_AT_RECIPIENT:
                        return None
                if command != b"DATA":
                    self._say("250 OK")
                elif not self._message(address, self.server.manners.get(address, "")):
                    return None
        return None

    def _message(self, address: str, manner: str) -> bool:
        """Handle a message and return whether the connection stays open."""
        if manner == REFUSE_DATA:
            self._say(self.server.refusal)
            return True
        self._say("354 go ahead")
        if manner == RESET_IN_DATA:
            self.rfile.readline()
            # Without time to linger, closing the socket sends RST.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        while self.rfile.readline() != b".\r\n":
            pass
        self.server.copies[address] += 1
        if manner == HANG_UP_AFTER_DOT:
            return False
        if manner == SILENT_AFTER_DOT:
            self.server.released.wait(10)
            return False
        if manner == LATE_AFTER_DOT:
            time.sleep(self.server.late_seconds)
        self._say("250 taken")
        return True

    def _say(self, answer: str) -> None:
        stream: IO[bytes] = self.wfile
        stream.write(f"{answer}\r\n".encode())


@contextmanager
def rude_server() -> Iterator[RudeServer]:
    """Run a server on a free port."""
    with RudeServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join(10)
