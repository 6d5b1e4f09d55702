"""The encoder and its vectors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # commands that compute no vectors start faster without numpy
    import numpy as np
    import numpy.typing as npt

Vectors: TypeAlias = "npt.NDArray[np.float32]"


class Encoder(Protocol):
    """Converts texts to unit vectors."""

    @property
    def name(self) -> str:
        """Name of the encoder, stored with every vector; vectors of different encoders cannot be compared."""

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        """Return (len(texts), dim) unit vectors in the order of the texts, float32 in C order.

        Raises:
            EncoderUnavailable: The encoder cannot be loaded or does not match its hashes.
            DeadlineTooShort: The encoder did not finish in time.
            Overloaded: Too many calls are waiting already.
        """

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """Return vectors as ``encode`` without a deadline. Calls of ``encode`` go first, also between two slices."""
