"""One server process of ``paperfeed serve --workers``; the supervisor starts ``python -m service.process.worker``.

The first line on stdin holds the settings as JSON, so that no password shows in the list of processes. Later lines are
messages from other workers. The end of stdin means that the supervisor has ended; the worker then drains and ends too.
On stdout the worker writes ``serving`` once it serves, and its own messages to the other workers.
"""

import contextlib
import json
import sys
import threading
from dataclasses import asdict
from queue import SimpleQueue
from typing import TYPE_CHECKING

from service import logs
from service.config import Settings
from service.domain.errors import StorageUnavailable
from service.process.failures import note, run
from service.process.stopping import on_stop

if TYPE_CHECKING:
    from service.bootstrap import Application

SERVING = "serving"


NO_DATABASE = 75
"""Exit code of a worker that could not start because the database does not answer (EX_TEMPFAIL)."""


def first_line(settings: Settings, number: int, *, may_make_database: bool) -> str:
    """Return the line that the supervisor writes to worker ``number`` (from 1) at its start."""
    start = {"number": number, "may_make_database": may_make_database, "settings": asdict(settings)}
    return json.dumps(start) + "\n"


def main() -> None:
    """Serve until SIGTERM or the end of stdin.

    Raises:
        SystemExit: With NO_DATABASE.
    """
    start = json.loads(sys.stdin.readline())
    settings = Settings(**start["settings"])
    logs.configure(settings.log_level, worker=start["number"])
    stopping: SimpleQueue[None] = SimpleQueue()
    on_stop(lambda _: stopping.put(None))
    application = _started(settings, start["number"], may_make_database=start["may_make_database"])

    def listen() -> None:
        for line in sys.stdin:
            application.hear(line.strip())
        stopping.put(None)

    threading.Thread(target=listen, name="supervisor", daemon=True).start()
    if application.warning and start["number"] == 1:
        note(application.warning)
    _say(SERVING)
    stopping.get()
    application.stop()


def _started(settings: Settings, number: int, *, may_make_database: bool) -> "Application":
    from service.bootstrap import Application, Place  # noqa: PLC0415 (``run`` reports a package that is missing)

    try:
        application = Application(settings, Place(number, settings.workers, may_make_database), tell=_say)
        application.start()
    except StorageUnavailable as error:
        note(str(error))
        sys.exit(NO_DATABASE)
    return application


def _say(word: str) -> None:
    # One write, so that lines of two threads do not mix. The pipe is broken if the supervisor has ended.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(word + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run(main))
