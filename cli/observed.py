"""Telemetry of commands that do a job and end: one span and one time for each run."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def job(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that records each run of a command as a job.

    The metrics and spans of a job are exported by the standard variables of OpenTelemetry, when it ends. Nothing can be
    scraped from a process that ends.

    Args:
        name: Words of the command, such as ``mail send``.
    """

    def decorate(command: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(command)
        def observed(*arguments: P.args, **options: P.kwargs) -> T:
            telemetry, record = _start()
            try:
                with record.job(name):
                    return command(*arguments, **options)
            finally:
                telemetry.close()

        return observed

    return decorate


def _start() -> tuple[Any, Any]:
    from service.domain.errors import InvalidField
    from telemetry import NO_PORT
    from telemetry.record import recorder
    from telemetry.setup import start_as

    return start_as("paperfeed-job", NO_PORT, InvalidField), recorder()
