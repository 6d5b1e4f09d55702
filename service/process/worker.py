"""One server process of ``paperfeed serve --workers``: ``python -m service.process.worker``, started by the supervisor.

Its settings come as JSON in the first line on stdin, so that no password shows in the list of processes; later lines
are what other workers tell. The end of stdin means that the supervisor is gone: then the worker drains and ends too.
On stdout it says ``serving`` once it does, and what the others shall know.
"""

import contextlib
import json
import sys
import threading
from dataclasses import asdict
from queue import SimpleQueue
from typing import TYPE_CHECKING

from cli.failures import run
from cli.output import note
from service.config import Settings
from service.domain.errors import StorageUnavailable
from service.process.stopping import on_stop

if TYPE_CHECKING:
    from service.bootstrap import Application

SERVING = "serving"


NO_DATABASE = 75
"""The exit code of a worker that could not start because the database does not answer (EX_TEMPFAIL)."""


def first_line(settings: Settings, number: int, *, may_make_database: bool) -> str:
    """What the supervisor writes to worker ``number`` (from 1) at its start."""
    given = {"number": number, "may_make_database": may_make_database, "settings": asdict(settings)}
    return json.dumps(given) + "\n"


def main() -> None:
    """Serves until SIGTERM or the end of stdin.

    Raises:
        SystemExit: With NO_DATABASE.
    """
    from service import logs

    given = json.loads(sys.stdin.readline())
    settings = Settings(**given["settings"])
    logs.configure(settings.log_level, worker=given["number"])
    stopping: SimpleQueue[None] = SimpleQueue()
    on_stop(lambda _: stopping.put(None))
    application = _started(settings, given["number"], may_make_database=given["may_make_database"])

    def listen() -> None:
        for line in sys.stdin:
            application.hear(line.strip())
        stopping.put(None)

    threading.Thread(target=listen, name="supervisor", daemon=True).start()
    _say(SERVING)
    stopping.get()
    application.stop()


def _started(settings: Settings, number: int, *, may_make_database: bool) -> "Application":
    from service.bootstrap import Application, Place

    try:
        application = Application(settings, Place(number, settings.workers, may_make_database), tell=_say)
        application.start()
    except StorageUnavailable as error:
        note(str(error))
        sys.exit(NO_DATABASE)
    return application


def _say(word: str) -> None:
    # One write, so that two threads' words do not mix. A supervisor that is gone hears nothing.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(word + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run(main))
