"""Order without a model: likeness where no bundle fits, popularity and age where nothing is known of the user."""

import numpy as np

from ranker.features.similarity import cosines, nearest_first
from ranker.profile.profile import Profile
from ranker.spaces.spaces import PaperMatrix
from ranker.trending import hotness
from ranker.types import BoolArray, Float64Array

NEAREST_LIKES = 10


def cosine_scores(profile: Profile, candidates: PaperMatrix) -> Float64Array:
    """(n,) mean cosine of the ten nearest likes, rounded to 1e-6; -1 (below all others) where a vector is pending.

    A user without liked vectors gets 0 for every candidate.
    """
    if not len(profile.liked_units):
        return np.zeros(len(candidates))
    means = nearest_first(cosines(profile.liked_units, candidates.units)[None], NEAREST_LIKES)[0].mean(axis=0)
    scores = np.where(candidates.has_vector, means, np.float32(-1.0)).astype(np.float64)
    return np.round(scores, 6)


def trending_scores(
    candidates: PaperMatrix, as_of: float, followed: BoolArray | None = None, user: int = 0
) -> Float64Array:
    """(n,) finite scores without ties, in (0, 1]: a place in the order, not a measure.

    Followed papers come first, then the hottest (see ``trending.hotness``: readers' events and upvotes for the age),
    then the newest (unknown last), then those that stood first in the digest.

    Args:
        followed: (n,) True where the paper touches a topic or author that the user follows.
        user: Whose own events do not count; see ``UserContext``.
    """
    dates = candidates.dates
    heat = hotness(candidates, as_of, user)
    flags = np.zeros(len(candidates), dtype=np.bool_) if followed is None else followed
    newest = np.where(np.isnan(dates), np.inf, -dates)
    order = np.lexsort((np.arange(len(candidates)), newest, -heat, ~flags))
    scores = np.empty(len(candidates))
    scores[order] = np.linspace(1.0, 0.0, len(candidates), endpoint=False)
    return scores
