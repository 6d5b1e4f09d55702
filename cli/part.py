"""Runs a paperfeed command as a part of ``paperfeed up``: ``python -m cli.part serve --port 50051``.

The end of stdin means that ``up`` has ended, however it ended. The command then gets SIGTERM, so that it ends too.
"""

import os
import signal
import sys
import threading

from cli.main import main


def _end_with_stdin() -> None:
    for _ in sys.stdin:
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_stdin, name="up", daemon=True).start()
    main()
