"""Scores without a model: similarity to the likes without a bundle, popularity and age for users without likes."""

import numpy as np

from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.trending import hotness
from ranker.types import BoolArray, Float64Array

NEAREST_LIKES = 10


def cosine_scores(profile: Profile, candidates: PaperMatrix) -> Float64Array:
    """Return the mean cosine of each candidate to its ten nearest likes; (n,), rounded to 1e-6.

    A candidate with a pending vector gets -1, so it ranks last. If no like has a vector, every candidate gets 0.
    """
    if not len(profile.liked_units):
        return np.zeros(len(candidates))
    with np.errstate(invalid="ignore"):
        cosines = profile.liked_units @ candidates.units.T
    means = np.sort(cosines, axis=0)[-NEAREST_LIKES:].mean(axis=0)
    scores = np.where(candidates.has_vector, means, np.float32(-1.0)).astype(np.float64)
    return np.round(scores, 6)


def trending_scores(
    candidates: PaperMatrix, as_of: float, followed: BoolArray | None = None, user: int = 0
) -> Float64Array:
    """Return scores for a user without likes; (n,) finite, in (0, 1], without ties. Only their order has a meaning.

    Followed papers come first, then the hottest (see ``trending.hotness``), then the newest, then those that come first
    in the digest. Papers without a date count as the oldest.

    Args:
        as_of: Unix seconds.
        followed: (n,) True if the paper has a topic or author that the user follows.
        user: Code of the user, whose own events do not count; see ``UserContext``.
    """
    dates = candidates.dates
    heat = hotness(candidates, as_of, user)
    flags = np.zeros(len(candidates), dtype=np.bool_) if followed is None else followed
    newest = np.where(np.isnan(dates), np.inf, -dates)
    order = np.lexsort((np.arange(len(candidates)), newest, -heat, ~flags))
    scores = np.empty(len(candidates))
    scores[order] = np.linspace(1.0, 0.0, len(candidates), endpoint=False)
    return scores
