"""A TCP proxy in front of the feed service. It delays answers, lets a test act on them, or breaks the connection."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator


class Proxy:
    """A proxy that forwards bytes.

    Attributes:
        target: Address of the proxy, HOST:PORT.
        delay_seconds: Delay of each piece of an answer.
        look: Called with each piece of an answer before it is forwarded; False closes all connections permanently.
    """

    def __init__(self, service: str) -> None:
        host, _, port = service.rpartition(":")
        self._service = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.delay_seconds = 0.0
        self.look: Callable[[bytes], bool] = lambda _: True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Close all connections and accept no more."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._service)
                self._sockets += [client, server]
                threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if is_answer:
                    time.sleep(self.delay_seconds)
                    if not self.look(piece):
                        self.close()
                        return
                to.sendall(piece)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxy(service: str) -> Iterator[Proxy]:
    """Run a proxy in front of the service at HOST:PORT."""
    running = Proxy(service)
    try:
        yield running
    finally:
        running.close()
