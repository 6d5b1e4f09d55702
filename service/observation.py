"""Telemetry of a server process, as its settings and the standard variables of OpenTelemetry ask."""

from service.config import Settings
from service.domain.errors import InvalidField
from settings.reader import variables
from telemetry import NO_PORT
from telemetry.setup import Telemetry, TelemetryProblem, Wanted, start


def start_telemetry(settings: Settings, worker: int) -> Telemetry:
    """Turn telemetry on. Call it before the database is opened, so that statements are recorded.

    Args:
        worker: Number of this process among the processes on one port, from 1.

    Raises:
        InvalidField: An exporter is not installed.
    """
    found = variables("OTEL_")
    wanted = Wanted.read(found, is_scraped=settings.metrics_port != NO_PORT)
    try:
        return start("paperfeed-server", wanted, found, attributes={"paperfeed.worker": worker})
    except TelemetryProblem as problem:
        raise InvalidField("OTEL_", str(problem)) from problem


def metrics_port(settings: Settings, worker: int) -> int:
    """Return the port for the metrics of this process: each has one of its own."""
    port = settings.metrics_port
    return port + worker - 1 if port > 0 else port
