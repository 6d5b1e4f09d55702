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


def _shorten(record: logging.LogRecord) -> bool:
    """Replace the traceback that grpcio logs if it cannot send an answer, as when the client leaves meanwhile."""
    error = record.exc_info[1] if record.exc_info else None
    if record.name == "grpc._cython.cygrpc" and str(error).startswith('Failed "execute_batch"'):
        record.exc_info, record.levelno, record.levelname = None, logging.INFO, "INFO"
        record.msg, record.args = "an answer could not be sent; usually its client has left", ()
    return True


def configure(level: str, *, worker: int | None = None) -> None:
    """Send all logs to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(worker))
    handler.addFilter(_shorten)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
