"""Family topic: topics of the bundle and given categories that candidate and likes share, and what the user follows."""

import numpy as np

from ranker.asker import NOBODY, Asker
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
from ranker.types import BoolArray, Float32Array, Float64Array

FAMILY = "topic"
NAMES = (
    "topic_overlap",  # the candidate's topic weights times the mean of the likes'
    "topic_overlap_telling",  # the same, each topic divided by how common it is among the candidates
    "topic_category_share",  # share of the likes with the candidate's primary category
    "topic_category_overlap",  # mean share of likes over the candidate's categories; rare ones count more
    "topic_followed",  # 1 where the candidate touches a followed topic, else 0
    "topic_followed_author",  # 1 where a followed author wrote it, else 0
)
DIRECTIONS = (1, 1, 1, 1, 1, 1)
# So many evenly spread papers are added to the candidates: few of them say little of what is common.
_FEW_PAPERS = np.float32(20.0)


def compute(profile: Profile, candidates: PaperMatrix, _as_of: float, asker: Asker = NOBODY) -> Float32Array:
    """(n, 6) float32; NaN where either side has no vector or no category, and where the user follows nothing."""
    out = np.full((len(candidates), len(NAMES)), np.nan, dtype=np.float32)
    weights = candidates.topic_weights
    if profile.liked_topics is not None and weights is not None and weights.shape[1]:
        out[:, 0] = np.einsum("ij,j->i", weights, profile.liked_topics)
        out[:, 1] = np.einsum("ij,j->i", weights, profile.liked_topics / _commonness(weights))
    if profile.category_shares and candidates.categories.names:
        out[:, 2] = candidates.categories.primary_values(profile.primary_shares)
        out[:, 3] = candidates.categories.mean_values(profile.category_shares)
    out[:, 4] = _flags(asker.followed_topic, len(candidates))
    out[:, 5] = _flags(asker.followed_author, len(candidates))
    return out


def _commonness(weights: Float32Array) -> Float32Array:
    """(t,) each topic's weight among the candidates, as a multiple of an even share."""
    topic_count = np.float32(weights.shape[1])
    known = weights[~np.isnan(weights[:, 0])]
    total = known.sum(axis=0) + _FEW_PAPERS / topic_count
    return np.asarray(total / (np.float32(len(known)) + _FEW_PAPERS) * topic_count)


def _flags(flags: BoolArray | None, count: int) -> Float64Array:
    return np.full(count, np.nan) if flags is None else flags.astype(np.float64)
