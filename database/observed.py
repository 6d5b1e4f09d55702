"""Telemetry of engines: a span for each statement while traces are recorded, and the numbers of connections."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, event

from telemetry.record import Measure, Reading, recorder

_SYSTEMS = {"sqlite": "sqlite", "postgresql": "postgresql"}


def trace_statements(engine: Engine) -> None:
    """Record the engine's statements from now on. Without traces, the engine stays as it is, and costs nothing.

    Spans hold the text of the statement with placeholders, never its values.
    """
    if not recorder().is_tracing:
        return
    system = _SYSTEMS[engine.dialect.name]

    def begin(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001 -- SQLAlchemy's signature
        if context is not None:
            context.end_span = recorder().statement(statement.split(None, 1)[0].upper(), statement, system)

    def end(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
        if context is not None:
            context.end_span("")

    def fail(failure: Any) -> None:
        context = failure.execution_context
        if context is not None and hasattr(context, "end_span"):
            context.end_span(type(failure.original_exception).__name__)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)


def connection_measure(connections: Callable[[], Mapping[str, tuple[int, int]]]) -> Measure:
    """Return the measure of the connections (in use, idle) of each pool by name."""

    def read() -> Iterator[Reading]:
        for pool, counts in connections().items():
            for state, count in zip(("used", "idle"), counts, strict=True):
                yield count, {"db.client.connection.pool.name": pool, "db.client.connection.state": state}

    return Measure("db.client.connection.count", "gauge", "{connection}", "Connections to the database.", read)
