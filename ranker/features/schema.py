"""The feature schema: the order of all features, its hash, and the one function that computes all features."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from ranker.features import collaborative, embedding, profile, recency, text, topic, trend
from ranker.features.inputs import Inputs
from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float32Array, IndexArray
from ranker.user_context import UNKNOWN_USER, UserContext

SCHEMA_VERSION = 3
"""Increase it whenever a feature keeps its name but changes its meaning."""


class Family(Protocol):
    """The members of a family's module; a new family is a module with these members that ``FAMILIES`` lists."""

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
        """Write the features into ``out``; unknown values stay NaN.

        Args:
            out: (len(NAMES), users, n_candidates) float32 full of NaN.
        """
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


@dataclass(frozen=True)
class Schema:
    """The columns of a feature matrix.

    Attributes:
        family_of: Number of the family of each column.
        directions: 1, 0 or -1 for each column; see ``Family``.
    """

    version: int
    families: tuple[str, ...]
    names: tuple[str, ...]
    family_of: tuple[int, ...]
    directions: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def sha256(self) -> str:
        """Hash of version and names. A model must not read features of a schema with another hash."""
        return hashlib.sha256(json.dumps([self.version, self.names]).encode()).hexdigest()

    def columns_of(self, family: str) -> IndexArray:
        """Return the columns of one family, ascending; empty for an unknown family."""
        return np.array([i for i, owner in enumerate(self.family_of) if self.families[owner] == family], dtype=np.intp)


SCHEMA = Schema(
    version=SCHEMA_VERSION,
    families=tuple(family.FAMILY for family in FAMILIES),
    names=tuple(name for family in FAMILIES for name in family.NAMES),
    family_of=tuple(i for i, family in enumerate(FAMILIES) for _ in family.NAMES),
    directions=tuple(direction for family in FAMILIES for direction in family.DIRECTIONS),
)


def compute_matrix(
    profile: Profile, candidates: PaperMatrix, as_of: float, user_context: UserContext = UNKNOWN_USER
) -> Float32Array:
    """Compute the features of one user and all candidates of a digest; see ``compute_features``.

    Returns:
        (n_candidates, len(SCHEMA)) float32.
    """
    found: Float32Array = compute_features(Inputs.of(profile, candidates, as_of, user_context))[0]
    return found


def compute_features(inputs: Inputs) -> Float32Array:
    """Compute the features of several users and all candidates of a digest.

    Do not split the candidates of a digest before this call: some features compare a candidate with the others. Up to
    rounding, the features of a user do not depend on the other users.

    Returns:
        (users, n_candidates, len(SCHEMA)) float32, C-contiguous, NaN where unknown.
    """
    shape = (len(SCHEMA), len(inputs.profiles), len(inputs.candidates))
    out: Float32Array = np.full(shape, np.nan, dtype=np.float32)
    start = 0
    for family in FAMILIES:
        stop = start + len(family.NAMES)
        family.compute(inputs, out[start:stop])
        start = stop
    found: Float32Array = np.ascontiguousarray(out.transpose(1, 2, 0))
    return found
