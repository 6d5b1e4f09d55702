"""What every encoder of this package offers beyond the port that the use cases see."""

from collections.abc import Sequence
from typing import Protocol

from service.app.ports import Encoder, Vectors


class OpenedEncoder(Encoder, Protocol):
    """An encoder that somebody must close. Safe to use from many threads."""

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """As ``encode``, but every waiting ``encode`` goes first, also between two slices of this call."""

    def close(self) -> None:
        """Ends what runs for this encoder; calls in progress fail with EncoderUnavailable. Safe to repeat."""
