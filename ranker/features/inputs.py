"""The inputs that every family computes its features from."""

from dataclasses import dataclass
from functools import cached_property

from ranker.features.likeness import Likeness, Similarities, likeness
from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float32Array, IndexArray
from ranker.user_context import UNKNOWN_USER, UserContext


@dataclass(frozen=True)
class Inputs:
    """One user and n candidates.

    Attributes:
        as_of: Unix seconds at which the features hold.
        user_context: Facts about the user beyond likes.
        similarities: Precomputed similarities of the likes to the candidates; None computes them when needed.
    """

    profile: Profile
    candidates: PaperMatrix
    as_of: float
    user_context: UserContext = UNKNOWN_USER
    similarities: Similarities | None = None

    @cached_property
    def likeness(self) -> Likeness:
        """The similarities of the likes to the candidates, summed up over the likes."""
        return likeness(self.profile, self.candidates, self.similarities)

    @cached_property
    def near_interests(self) -> tuple[IndexArray, Float32Array]:
        """The nearest interest of each candidate, -1 if there is none, and the cosine to it; both (n,)."""
        return self.profile.interests.nearest(self.candidates.units)
