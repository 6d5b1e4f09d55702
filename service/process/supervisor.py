"""The process that starts several server processes on one port, watches them and stops them.

The first worker starts alone: it creates the database if needed, and it alone embeds papers. The others start once the
first one serves.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

from service.config import Settings
from service.process.ports import shared_port
from service.process.supervision import Part, RestartPolicy, Supervision
from service.process.worker import NO_DATABASE, SERVING, first_line


class Supervisor:
    """Keeps ``settings.workers`` server processes running. Call ``run`` once, from the main thread."""

    def __init__(self, settings: Settings, policy: RestartPolicy | None = None) -> None:
        self._settings = settings
        self._policy = policy or RestartPolicy()

    def run(self, announce: Callable[[int], None]) -> int:
        """Serve until SIGTERM, SIGHUP or Ctrl-C; return the exit code.

        Args:
            announce: Called once with the port, when all workers serve.

        Raises:
            InvalidField: The port cannot be used.
        """
        with shared_port(self._settings.host, self._settings.port) as port:
            settings = replace(self._settings, port=port)
            supervision = Supervision(
                [_worker(settings, number) for number in range(1, settings.workers + 1)],
                noun="worker",
                drain_seconds=settings.drain_seconds,
                policy=self._policy,
                # A worker's message is for the others. That it serves concerns only the supervision.
                hear=lambda index, line: None if line == SERVING else supervision.tell_others(index, line),
            )
            return supervision.run(lambda: announce(port))


def _worker(settings: Settings, number: int) -> Part:
    def start(has_served: bool) -> str:  # noqa: FBT001 (the only argument)
        return first_line(settings, number, may_make_database=number == 1 and not has_served)

    return Part(
        key=number,
        title=f"server process {number}",
        command=(sys.executable, "-P", "-m", "service.process.worker"),
        is_serving=lambda line: line == SERVING,
        first_line=start,
        no_database_code=NO_DATABASE,
    )
