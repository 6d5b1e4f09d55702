"""An encoder whose calls are measured."""

import contextlib
import threading
from collections.abc import Iterator, Sequence

from service.app.ports import Vectors
from service.encoder.cache import OpenedEncoder
from telemetry.record import recorder


class MeasuredEncoder:
    """An encoder that measures its calls as the stage ``encode``, and counts the texts that it has not finished."""

    def __init__(self, encoder: OpenedEncoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._backlog = 0

    @property
    def name(self) -> str:
        """Name of the encoder."""
        return self._encoder.name

    @property
    def backlog(self) -> int:
        """Number of texts that wait for the encoder or are being encoded in this process."""
        return self._backlog

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        """See ``ports.Encoder``."""
        with self._measured(len(texts)):
            return self._encoder.encode(texts, timeout_seconds=timeout_seconds)

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """See ``ports.Encoder``."""
        with self._measured(len(texts)):
            return self._encoder.encode_in_background(texts)

    def close(self) -> None:
        """Close the encoder."""
        self._encoder.close()

    @contextlib.contextmanager
    def _measured(self, count: int) -> Iterator[None]:
        with self._lock:
            self._backlog += count
        try:
            with recorder().stage("encode", texts=count):
                yield
        finally:
            with self._lock:
                self._backlog -= count
