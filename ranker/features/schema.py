"""The feature schema: the order of all features, its hash, and the one function that computes the feature matrix."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.features.families import FAMILIES
from ranker.features.inputs import Inputs
from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float32Array, IndexArray
from ranker.user_context import UNKNOWN_USER, UserContext

SCHEMA_VERSION = 2
"""Increase it whenever a feature keeps its name but changes its meaning."""


@dataclass(frozen=True)
class Schema:
    """The columns of a feature matrix.

    Attributes:
        family_of: Number of the family of each column.
        directions: 1, 0 or -1 for each column; see ``families.Family``.
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


def _joined() -> Schema:
    return Schema(
        version=SCHEMA_VERSION,
        families=tuple(family.FAMILY for family in FAMILIES),
        names=tuple(name for family in FAMILIES for name in family.NAMES),
        family_of=tuple(i for i, family in enumerate(FAMILIES) for _ in family.NAMES),
        directions=tuple(direction for family in FAMILIES for direction in family.DIRECTIONS),
    )


SCHEMA = _joined()


def compute_matrix(
    profile: Profile, candidates: PaperMatrix, as_of: float, user_context: UserContext = UNKNOWN_USER
) -> Float32Array:
    """Compute the features of one user and all candidates of a digest.

    Do not split the candidates of a digest before this call: some features compare a candidate with the others.

    Args:
        as_of: Unix seconds at which the features hold.
        user_context: Facts about the user beyond likes.

    Returns:
        (n_candidates, len(SCHEMA)) float32, C-contiguous, NaN where unknown.
    """
    return feature_matrix(Inputs(profile, candidates, as_of, user_context))


def feature_matrix(inputs: Inputs) -> Float32Array:
    """Compute the same matrix as ``compute_matrix`` from inputs, which cache values that explanations reuse."""
    out = np.full((len(SCHEMA), len(inputs.candidates)), np.nan, dtype=np.float32)
    start = 0
    for family in FAMILIES:
        stop = start + len(family.NAMES)
        family.compute(inputs, out[start:stop])
        start = stop
    return np.ascontiguousarray(out.T)
