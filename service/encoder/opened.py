"""The interface of the encoders in this package."""

from collections.abc import Sequence
from typing import Protocol

from service.app.ports import Encoder, Vectors


class OpenedEncoder(Encoder, Protocol):
    """An encoder that must be closed. Thread safe."""

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """Return vectors as ``encode`` without a deadline. Calls of ``encode`` go first, also between two slices."""

    def close(self) -> None:
        """Release processes and files. Calls in progress fail with EncoderUnavailable. May be repeated."""
