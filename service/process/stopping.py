"""The signals that ask a server to end."""

import signal
from collections.abc import Callable


def on_stop(told: Callable[[int], None]) -> None:
    """Calls ``told`` with the number of each SIGTERM, Ctrl-C and, where there is one, closed terminal (SIGHUP).

    Under ``nohup`` SIGHUP is ignored already, and stays so.
    """
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, lambda received, _: told(received))
