"""The inputs that every family computes its features from, and the comparisons that several families share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.spaces.sparse import stack_sparse
from ranker.types import Float32Array, IndexArray
from ranker.user_context import UNKNOWN_USER, UserContext


class Likeness(NamedTuple):
    """Summaries of the similarities of n candidates to the likes of u users, each (u, n) float32.

    Attributes:
        mean: Mean over all likes.
        linear: Score of the user's linear model, see ``ridge``.
        nearest: Similarity to the nearest like.
    """

    mean: Float32Array
    linear: Float32Array
    nearest: Float32Array


@dataclass(frozen=True)
class Inputs:
    """u users and the n candidates that they share.

    The likes of all users are concatenated and compared in one product, and their similarities are summed up user by
    user.

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

    def likeness(self, space: str) -> Likeness | None:
        """Return the summaries in a vector space; NaN for pending vectors and for users without liked vectors.

        None if the candidates are not in the space.
        """
        placed = self.candidates.vectors.get(space)
        if placed is None:
            return None
        known = [user for user, profile in enumerate(self.profiles) if len(profile.liked_vectors.get(space, ()))]
        if not known:
            return self._unknown()
        found = [self.profiles[user] for user in known]
        rows = [profile.liked_vectors[space] for profile in found]
        # Some BLAS kernels report rows of NaN as invalid.
        with np.errstate(invalid="ignore"):
            cosines = np.concatenate(rows) @ placed.T
            return self._summed_up(known, cosines, [profile.weights[space] for profile in found])

    @cached_property
    def word_likeness(self) -> Likeness | None:
        """The same for words, in which a term that many candidates share counts less; NaN for candidates without words.

        None without a bundle.
        """
        terms, wordless = self.candidates.terms, self.candidates.wordless
        if terms is None:
            return None
        known = [user for user, profile in enumerate(self.profiles) if len(profile.word_weights)]
        if not known:
            return self._unknown()
        liked = [tfidf for user in known if (tfidf := self.profiles[user].liked_tfidf) is not None]
        cosines = stack_sparse(liked).dot(terms)
        if wordless is not None:
            cosines[:, wordless] = np.nan
        return self._summed_up(known, cosines, [self.profiles[user].word_weights for user in known])

    @cached_property
    def cosines(self) -> tuple[Float32Array, ...]:
        """Cosines of the n candidates to each user's m ``Profile.plain_rows``: one (m, n) array per user."""
        ends = np.cumsum(self._plain_sizes)[2::3].tolist()
        return tuple(self._cosines[start:end] for start, end in pairwise([0, *ends]))

    def nearest(self) -> Float32Array:
        """Return the greatest cosine of each candidate to each part of ``Profile.plain_rows``; (3, u, n).

        NaN for pending vectors, and for empty parts.
        """
        out = np.full((len(self._plain_sizes), len(self.candidates)), np.nan, dtype=np.float32)
        known = np.flatnonzero(self._plain_sizes)
        if len(known):
            starts = _starts([self._plain_sizes[part] for part in known.tolist()])
            out[known] = np.maximum.reduceat(self._cosines, starts, axis=0)
        return out.reshape(len(self.profiles), 3, len(self.candidates)).swapaxes(0, 1)

    @cached_property
    def _plain_sizes(self) -> list[int]:
        return [len(rows) for profile in self.profiles for rows in profile.plain_rows]

    @cached_property
    def _cosines(self) -> Float32Array:
        return self.candidates.cosines_to([rows for profile in self.profiles for rows in profile.plain_rows])

    def _unknown(self) -> Likeness:
        unknown = np.full((3, len(self.profiles), len(self.candidates)), np.nan, dtype=np.float32)
        return Likeness(*unknown)

    def _summed_up(self, known: list[int], similarities: Float32Array, weights: Sequence[Float32Array]) -> Likeness:
        """Return the summaries of the similarities.

        Args:
            known: The users that have likes.
            similarities: (m, n) similarities of these users' likes, one user after another.
            weights: The weights of each user's likes in the linear model.
        """
        sizes = [len(own) for own in weights]
        starts = _starts(sizes)
        out = self._unknown()
        out.mean[known] = np.add.reduceat(similarities, starts, axis=0) / by_user(sizes)
        out.nearest[known] = np.maximum.reduceat(similarities, starts, axis=0)
        out.linear[known] = np.add.reduceat(similarities * np.concatenate(weights)[:, None], starts, axis=0)
        return out


def by_user(values: Sequence[float]) -> Float32Array:
    """Return one value for each user as a (u, 1) array, which stands for all candidates."""
    return np.array(values, dtype=np.float32)[:, None]


def _starts(sizes: Sequence[int]) -> IndexArray:
    """Return where each of the consecutive parts of these sizes begins."""
    return np.cumsum([0, *sizes[:-1]])
