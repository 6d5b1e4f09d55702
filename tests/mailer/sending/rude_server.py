"""An SMTP server on loopback that misbehaves as aiosmtpd does not: it hangs up, falls silent, answers late."""

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
    """What it does to whom.

    Attributes:
        manners: From address to one of the constants above; others are treated well.
        copies: How often each address's message came in full.
        refusal: What REFUSE_DATA answers.
        greets: Whether it says anything to whoever connects.
        late_seconds: How late LATE_AFTER_DOT answers.
    """

    allow_reuse_address = True
    daemon_threads = True
    # Handlers that wait on purpose end with the process at the latest.
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.manners: dict[str, str] = {}
        self.copies: Counter[str] = Counter()
        self.refusal = "554 5.6.0 not like this"
        self.greets = True
        self.late_seconds = 0.6
        self.released = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
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
        """Whether the connection goes on."""
        if manner == REFUSE_DATA:
            self._say(self.server.refusal)
            return True
        self._say("354 go ahead")
        if manner == RESET_IN_DATA:
            self.rfile.readline()
            # With no time to linger, closing sends RST.
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
    """One on a free port."""
    with RudeServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join(10)
