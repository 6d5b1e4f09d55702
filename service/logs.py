"""Logs: one JSON object a line on stderr. Facts only; never a title, an address or another personal text."""

import datetime as dt
import json
import logging
import sys


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, and the ``facts`` given through ``extra``.

    Args:
        worker: Which of the server processes on one port writes; None for one that is alone.
    """

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._always = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        entry: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._always,
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(level: str, *, worker: int | None = None) -> None:
    """Sends all logs to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(worker))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
