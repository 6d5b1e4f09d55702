"""All families joined: the order of the columns, a hash that names it, and the one function that computes them."""

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
"""Grows whenever a feature keeps its name but changes its meaning."""


@dataclass(frozen=True)
class Schema:
    """The columns of a feature matrix.

    Attributes:
        families: Family names in order.
        family_of: For each column the number of its family.
        directions: For each column 1, 0 or -1; see ``families.Family``.
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
        """Differs whenever a model trained on one schema must not read the other's columns."""
        return hashlib.sha256(json.dumps([self.version, self.names]).encode()).hexdigest()

    def columns_of(self, family: str) -> IndexArray:
        """The columns of one family, ascending; empty for a name that is none."""
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
    """The features of one user against one candidate matrix.

    Never stack users or split candidates before this call: float sums depend on the shapes, and only equal shapes give
    equal bits online, in batch and in training.

    Args:
        as_of: Unix seconds.
        user_context: What is known of the reader beyond likes.

    Returns:
        (n_candidates, len(SCHEMA)) float32, C-contiguous, NaN where unknown.
    """
    return feature_matrix(Inputs(profile, candidates, as_of, user_context))


def feature_matrix(inputs: Inputs) -> Float32Array:
    """As ``compute_matrix``; the inputs keep what explaining needs again."""
    out = np.full((len(SCHEMA), len(inputs.candidates)), np.nan, dtype=np.float32)
    start = 0
    for family in FAMILIES:
        stop = start + len(family.NAMES)
        family.compute(inputs, out[start:stop])
        start = stop
    return np.ascontiguousarray(out.T)
