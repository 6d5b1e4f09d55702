"""Telemetry of the mailer's processes, as the settings and the standard variables of OpenTelemetry ask."""

from mailer.config import MailSettings
from mailer.errors import InvalidField
from settings.reader import variables
from telemetry import NO_PORT
from telemetry.setup import Telemetry, TelemetryProblem, Wanted, start


def start_telemetry(settings: MailSettings) -> Telemetry:
    """Turn telemetry of the web pages on. Call it before the database is opened, so that statements are recorded.

    Raises:
        InvalidField: An exporter is not installed.
    """
    found = variables("OTEL_")
    wanted = Wanted.read(found, is_scraped=settings.metrics_port != NO_PORT)
    try:
        return start("paperfeed-mailer", wanted, found, attributes={})
    except TelemetryProblem as problem:
        raise InvalidField("OTEL_", str(problem)) from problem
