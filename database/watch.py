"""Breaks connections to a PostgreSQL server that does not answer.

PostgreSQL ends slow statements itself, and the system notices a lost host. But if a server is suspended, or the network
drops its answers, a thread would wait for ever.
"""

import contextlib
import os
import socket
import threading
import time
import weakref
from typing import Any

_ACTIVE = 1
"""libpq's PQTRANS_ACTIVE: a command was sent, and its answer has not come."""


class ConnectionWatch:
    """Breaks connections that wait for an answer for longer than ``limit_seconds``. Thread safe.

    The statement that waits fails as if the server had closed the connection.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._is_running = False

    def add(self, connection: Any) -> None:
        """Watch a connection of psycopg until it is closed."""
        with self._lock:
            self._connections.add(connection)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="database-watch", daemon=True).start()

    def _run(self) -> None:
        waits_since: dict[int, float] = {}
        while connections := self._open_connections():
            now = time.monotonic()
            waiting = [each for each in connections if each.pgconn.transaction_status == _ACTIVE]
            waits_since = {id(each): waits_since.get(id(each), now) for each in waiting}
            for each in waiting:
                if now - waits_since[id(each)] > self._limit_seconds:
                    _break(each)
            del connections, waiting
            time.sleep(min(self._limit_seconds / 10, 1.0))

    def _open_connections(self) -> list[Any]:
        """Return the open connections; end the watch if there are none."""
        with self._lock:
            found = [each for each in self._connections if not each.closed]
            self._is_running = bool(found)
            return found


def _break(connection: Any) -> None:
    with contextlib.suppress(Exception), socket.socket(fileno=os.dup(connection.pgconn.socket)) as copy:
        copy.shutdown(socket.SHUT_RDWR)
