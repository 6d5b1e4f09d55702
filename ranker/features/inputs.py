"""What every family computes its features from."""

from dataclasses import dataclass
from functools import cached_property

from ranker.features.likeness import Likeness, Similarities, likeness
from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float32Array, IndexArray
from ranker.user_context import UNKNOWN_USER, UserContext


@dataclass(frozen=True)
class Inputs:
    """One reader and n candidates.

    Attributes:
        as_of: Unix seconds.
        user_context: What is known of the reader beyond likes.
        similarities: Of the likes to the candidates, where these are known already.
    """

    profile: Profile
    candidates: PaperMatrix
    as_of: float
    user_context: UserContext = UNKNOWN_USER
    similarities: Similarities | None = None

    @cached_property
    def likeness(self) -> Likeness:
        """How like the candidates are to the likes, for the families that compare papers."""
        return likeness(self.profile, self.candidates, self.similarities)

    @cached_property
    def near_interests(self) -> tuple[IndexArray, Float32Array]:
        """Each candidate's nearest interest, -1 where there is none, and the cosine to it."""
        return self.profile.interests.nearest(self.candidates.units)
