"""Family trend: upvotes and events of the candidate, as far as they were known at ``as_of``."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.trending import ranks_among, trends
from ranker.types import Float32Array, Float64Array

FAMILY = "trend"
NAMES = (
    "trend_upvotes",  # natural logarithm of 1 + upvotes
    "trend_upvotes_rank",  # share of the candidates with fewer upvotes
    "trend_velocity",  # natural logarithm of 1 + upvotes per day
    "trend_heat",  # natural logarithm of 1 + decayed likes, saves and clicks of other users
    "trend_heat_rank",  # share of the candidates with less heat
    "trend_topic_heat",  # natural logarithm of the mean heat of the candidate's topics over that of all candidates
)
DIRECTIONS = (1, 1, 1, 1, 1, 1)
# Number of papers of mean heat that are added to each topic, so that one hot paper makes no hot topic.
_FEW_PAPERS = 3.0


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for unknown upvotes, and heat is NaN if no candidate has any event."""
    candidates = inputs.candidates
    found = trends(candidates, inputs.as_of, inputs.user_context.user)
    if not np.isnan(found.upvotes).all():
        out[0] = np.log1p(np.maximum(found.upvotes, 0.0))
        out[1] = ranks_among(found.upvotes)
        out[2] = np.log1p(np.maximum(found.velocity, 0.0))
    if not np.isnan(found.heat).all():
        out[3] = np.log1p(found.heat)
        out[4] = ranks_among(found.heat)
        out[5] = _topic_heat(found.heat, candidates.topic_weights)


def _topic_heat(heat: Float64Array, topic_weights: Float32Array | None) -> Float64Array:
    """Return ``trend_topic_heat`` of each candidate; (n,), NaN if its topics are unknown."""
    out = np.full(len(heat), np.nan)
    if topic_weights is None or not topic_weights.shape[1]:
        return out
    known = ~np.isnan(topic_weights[:, 0])
    weights = topic_weights[known].astype(np.float64)
    mean = float(heat.mean())
    total = np.einsum("ij,i->j", weights, heat[known]) + _FEW_PAPERS * mean
    size = weights.sum(axis=0) + _FEW_PAPERS
    out[known] = np.log(np.einsum("ij,j->i", weights, total / size) / mean)
    return out
