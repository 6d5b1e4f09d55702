"""The list of feature families. A new family is a module like those here and one line in the list."""

from typing import Protocol

from ranker.features import collaborative, embedding, profile, recency, text, topic, trend
from ranker.features.inputs import Inputs
from ranker.types import Float32Array


class Family(Protocol):
    """What a family's module offers."""

    @property
    def FAMILY(self) -> str:  # noqa: N802
        """Its name."""
        ...

    @property
    def NAMES(self) -> tuple[str, ...]:  # noqa: N802
        """Its features in order; each starts with the family's name."""
        ...

    @property
    def DIRECTIONS(self) -> tuple[int, ...]:  # noqa: N802
        """For each feature 1 (-1) where a higher value must never lower (raise) a score, else 0.

        Holding the model to what is certain makes it work on fields and library sizes that it has not seen.
        """
        ...

    def compute(self, inputs: Inputs, out: Float32Array, /) -> None:
        """Writes its features into ``out``: (len(NAMES), n_candidates) float32, NaN throughout; the unknown stays."""
        ...


FAMILIES: tuple[Family, ...] = (
    embedding,
    text,
    collaborative,
    recency,
    profile,
    topic,
    trend,
)
