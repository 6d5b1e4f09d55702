"""What our code records: stages of work, calls, requests, jobs and measures.

This module imports the standard library only. As long as no recorder is installed, all methods return at once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, TypeAlias

Reading: TypeAlias = tuple[float, Mapping[str, str | bool]]
"""A value of a measure and its labels."""
End: TypeAlias = Callable[[str], None]
"""Ends a record. Its argument is the outcome, such as the name of a gRPC status code."""


@dataclass(frozen=True)
class Measure:
    """A number that is read whenever metrics are collected.

    Attributes:
        name: Name in OpenTelemetry's form, such as ``paperfeed.queue.length``.
        kind: A counter only grows; a gauge also falls.
        unit: Unit in UCUM, such as ``s`` or ``By``; names of counted things stand in braces.
        read: Returns the present values, within some seconds. If it fails, the measure is missing from the collection.
    """

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    description: str
    read: Callable[[], Iterable[Reading]]


class Recorder:
    """Records nothing. ``telemetry.otel`` has the recorder that uses OpenTelemetry."""

    is_tracing = False
    """Whether spans may be recorded."""

    def stage(self, name: str, **counts: int) -> AbstractContextManager[object]:
        """Return a context that measures a stage of work. It is the parent of stages and statements inside it.

        Within a call, a request or a job, a stage has a span; elsewhere, only its time is recorded.

        Args:
            name: Label ``stage`` of the metric ``paperfeed.stage.duration``, and name of the span.
            counts: Attributes of the span, such as the number of candidates.
        """
        return _NOTHING

    def waited(self, name: str, seconds: float) -> None:
        """Record a stage that ends now and took ``seconds``."""

    def job(self, name: str) -> AbstractContextManager[object]:
        """Return a context that measures a job of the command line, and whether it failed."""
        return _NOTHING

    def call(self, method: str, metadata: Iterable[tuple[str, str | bytes]], request_id: str) -> End:
        """Begin to record a served call. Its span becomes the current span of this asyncio task.

        Args:
            method: Full name, such as ``paperfeed.v1.FeedService/GetFeed``.
            metadata: The client's metadata, which may name the client's span as W3C Trace Context.

        Returns:
            The function to call with the name of the status code at the end.
        """
        return _end_nothing

    def request(self, method: str) -> Callable[[str, int], None] | None:
        """Begin to record a served HTTP request. Its span becomes the current span of this asyncio task.

        The span begins a trace: strangers must not decide what is recorded.

        Returns:
            The function to call with the route's template and the status at the end; None if nothing is recorded.
            Paths are not recorded, because they hold secret tokens.
        """
        return None

    def statement(self, operation: str, text: str, system: str) -> End:
        """Begin to record a statement of a database, if it belongs to a call, a request or a job.

        The outcome at its end is empty or the name of the error.

        Args:
            operation: First word, such as SELECT.
            text: The statement with placeholders instead of values.
            system: The database in OpenTelemetry's form, such as ``sqlite``.
        """
        return _end_nothing

    def is_sampled(self) -> bool:
        """Whether the current span is recorded."""
        return False

    def span(self) -> object:
        """Return the current span, for ``link``."""
        return None

    def link(self, spans: Sequence[object]) -> None:
        """Link the current span with other spans in both directions, because one job does the work of all."""

    def ids(self) -> dict[str, str]:
        """Return ``trace_id`` and ``span_id`` of the current span in hexadecimal digits; empty without one."""
        return {}

    def observe(self, measures: Iterable[Measure]) -> None:
        """Export these measures from now on."""


def _end_nothing(_outcome: str) -> None:
    """Do nothing."""


_NOTHING = nullcontext()
_installed = [Recorder()]


def recorder() -> Recorder:
    """Return the recorder of this process: the one installed last."""
    return _installed[-1]


def install(new: Recorder) -> None:
    """Make this the recorder of the process."""
    _installed.append(new)


def uninstall(old: Recorder) -> None:
    """Take an installed recorder away; the one installed before it takes its place. May be repeated."""
    if old in _installed:
        _installed.remove(old)
