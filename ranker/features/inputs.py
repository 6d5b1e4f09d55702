"""The inputs that every family computes its features from, and the comparisons that several families share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float32Array
from ranker.user_context import UNKNOWN_USER, UserContext

MEAN, LINEAR = 0, 1
"""The rows of ``Inputs.projections`` and ``Inputs.word_projections``."""


@dataclass(frozen=True)
class Inputs:
    """u users and the n candidates that they share.

    Attributes:
        as_of: Unix seconds at which the features hold.
        contexts: Facts about the users beyond likes.
    """

    profiles: tuple[Profile, ...]
    candidates: PaperMatrix
    as_of: float
    contexts: tuple[UserContext, ...]

    @classmethod
    def of(
        cls, profile: Profile, candidates: PaperMatrix, as_of: float, user_context: UserContext = UNKNOWN_USER
    ) -> "Inputs":
        """Return the inputs of one user."""
        return cls((profile,), candidates, as_of, (user_context,))

    def greatest_cosines(self, rows_of: Callable[[Profile], Float32Array]) -> Float32Array:
        """Return the greatest cosine of each candidate to some unit rows of each user; (u, n), NaN without rows.

        Args:
            rows_of: Returns the (m, d) rows of a user.
        """
        rows = [rows_of(profile) for profile in self.profiles]
        sizes = np.array([len(part) for part in rows])
        out = np.full((len(rows), len(self.candidates)), np.nan, dtype=np.float32)
        known = np.flatnonzero(sizes)
        if len(known):
            with np.errstate(invalid="ignore"):
                cosines = np.concatenate([rows[user] for user in known.tolist()]) @ self.candidates.units.T
            starts = np.cumsum(sizes[known]) - sizes[known]
            out[known] = np.maximum.reduceat(cosines, starts, axis=0)
        return out

    def projections(self, space: str) -> Float32Array | None:
        """Return the dot products of the candidates and the users' directions in a vector space.

        Returns:
            (2, u, n) float32 by mean and by linear model, NaN for pending vectors and for users without directions;
            None if the candidates are not in the space.
        """
        rows = self.candidates.vectors.get(space)
        if rows is None:
            return None
        out = np.full((2, len(self.profiles), len(rows)), np.nan, dtype=np.float32)
        known = [user for user, profile in enumerate(self.profiles) if space in profile.directions]
        if known:
            found = [self.profiles[user].directions[space] for user in known]
            directions = np.stack([each.mean for each in found] + [each.linear for each in found])
            with np.errstate(invalid="ignore"):
                out[:, known] = (directions @ rows.T).reshape(2, len(known), -1)
        return out

    @cached_property
    def word_projections(self) -> Float32Array | None:
        """The same for words, in which a term that many candidates share counts less; NaN for candidates without words.

        None without a bundle.
        """
        if self.candidates.terms is None:
            return None
        directions = [profile.word_directions for profile in self.profiles]
        known = [user for user, found in enumerate(directions) if found is not None]
        out = np.full((2, len(directions), len(self.candidates)), np.nan, dtype=np.float32)
        if known:
            found = [each for each in directions if each is not None]
            out[:, known] = self.candidates.terms.products(
                [each.terms for each in found], [each.values for each in found]
            )
        if self.candidates.wordless is not None:
            out[..., self.candidates.wordless] = np.nan
        return out


def by_user(values: Sequence[float]) -> Float32Array:
    """Return one value for each user as a (u, 1) array, which stands for all candidates."""
    return np.array(values, dtype=np.float32)[:, None]
