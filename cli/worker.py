"""One server process of ``paperfeed serve --workers``: ``python -m cli.worker``, started by the supervisor.

Its settings come as JSON in the first line on stdin, so that no password shows in the list of processes; later lines
are what other workers tell. The end of stdin means that the supervisor is gone: then the worker drains and ends too.
On stdout it says ``serving`` once it does, and what the others shall know.
"""

import contextlib
import json
import signal
import sys
import threading
from dataclasses import asdict
from queue import SimpleQueue

from cli.failures import run
from service.config import Settings

SERVING = "serving"


def first_line(settings: Settings, number: int) -> str:
    """What the supervisor writes to worker ``number`` (from 1) at its start."""
    return json.dumps({"number": number, "settings": asdict(settings)}) + "\n"


def main() -> None:
    """Serves until SIGTERM or the end of stdin."""
    from service import logs
    from service.bootstrap import Application, Place

    given = json.loads(sys.stdin.readline())
    settings = Settings(**given["settings"])
    logs.configure(settings.log_level, worker=given["number"])
    stopping: SimpleQueue[None] = SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *_: stopping.put(None))
    application = Application(settings, Place(given["number"], settings.workers), tell=_say)

    def listen() -> None:
        for line in sys.stdin:
            application.hear(line.strip())
        stopping.put(None)

    application.start()
    threading.Thread(target=listen, name="supervisor", daemon=True).start()
    _say(SERVING)
    stopping.get()
    application.stop()


def _say(word: str) -> None:
    # One write, so that two threads' words do not mix. A supervisor that is gone hears nothing.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(word + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run(main))
