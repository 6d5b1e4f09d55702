"""The signals that ask a server to stop."""

import signal
from collections.abc import Callable


def on_stop(callback: Callable[[int], None]) -> None:
    """Call ``callback`` with the signal's number on each SIGTERM, Ctrl-C and closed terminal (SIGHUP, where it exists).

    If SIGHUP is ignored already, as under ``nohup``, it stays ignored.
    """
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, lambda received, _: callback(received))
