"""Logs to stderr, one JSON object per line. Log entries must not contain titles, addresses or other personal text."""

import datetime as dt
import json
import logging
import sys

from telemetry.record import recorder

_encode = json.JSONEncoder(default=str).encode


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, logger, message, ids of the trace and ``facts`` passed by ``extra``.

    Args:
        worker: Number of the server process that writes the log; None if it is the only process on its port.
    """

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._always = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        entry: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._always,
            **recorder().ids(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        # JSON escapes all control characters but this one.
        return _encode(entry).replace("\x7f", "\\u007f")


def _is_news(record: logging.LogRecord) -> bool:
    """Return False for the traceback that grpcio logs if a client leaves just as its answer is sent."""
    error = record.exc_info[1] if record.exc_info else None
    return record.name != "grpc._cython.cygrpc" or not str(error).startswith('Failed "execute_batch"')


def configure(level: str, *, worker: int | None = None) -> None:
    """Send all logs to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(worker))
    handler.addFilter(_is_news)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
