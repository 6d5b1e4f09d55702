"""Work in a thread of its own."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def started(work: Callable[[], Result], name: str) -> "Future[Result]":
    """Start work in a daemon thread of this name, which a stopping process does not wait for; return its result.

    If one of several callers stops waiting, the others still get the result or the error.
    """
    done: Future[Result] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 -- those who wait raise it
            done.set_exception(error)
        else:
            done.set_result(result)

    # The context names the trace of the call that started the work.
    threading.Thread(target=contextvars.copy_context().run, args=(run,), name=name, daemon=True).start()
    return done
