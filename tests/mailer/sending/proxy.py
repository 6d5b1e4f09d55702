"""A TCP proxy before the feed service: makes it slow, lets a test act while an answer is on its way, or cuts it off."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator


class Proxy:
    """Passes bytes on.

    Attributes:
        target: Where clients find it, HOST:PORT.
        delay_seconds: Each piece of an answer waits so long.
        look: Called with each piece of an answer before it is passed on; False cuts all connections for good.
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
        """Ends all connections and takes no more."""
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
    """A proxy before the service at HOST:PORT."""
    running = Proxy(service)
    try:
        yield running
    finally:
        running.close()
