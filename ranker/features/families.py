"""The list of feature families. To add a family, write a module with the members of ``Family`` and list it here."""

from typing import Protocol

from ranker.features import collaborative, embedding, profile, recency, text, topic, trend
from ranker.features.inputs import Inputs
from ranker.types import Float32Array


class Family(Protocol):
    """The members of a family's module."""

    @property
    def FAMILY(self) -> str:  # noqa: N802
        """Name of the family."""
        ...

    @property
    def NAMES(self) -> tuple[str, ...]:  # noqa: N802
        """Names of the family's features in order; each begins with the family's name."""
        ...

    @property
    def DIRECTIONS(self) -> tuple[int, ...]:  # noqa: N802
        """For each feature 1 if a higher value must never lower the score, -1 if it must never raise it, else 0.

        These constraints make the model work on fields and library sizes that it was not trained on.
        """
        ...

    def compute(self, inputs: Inputs, out: Float32Array, /) -> None:
        """Write the features into ``out``, (len(NAMES), n_candidates) float32 full of NaN; unknown values stay NaN."""
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
