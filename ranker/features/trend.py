"""Family trend: what the crowd makes of the candidate, as far as it was seen at the time asked about."""

import numpy as np

from ranker.asker import NOBODY, Asker
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
from ranker.trending import ranks_among, trends
from ranker.types import Float32Array, Float64Array

FAMILY = "trend"
NAMES = (
    "trend_upvotes",  # natural logarithm of 1 + upvotes as of then
    "trend_upvotes_rank",  # share of the candidates that have fewer
    "trend_velocity",  # natural logarithm of 1 + upvotes a day
    "trend_heat",  # natural logarithm of 1 + decayed likes, saves and clicks by other readers
    "trend_heat_rank",  # share of the candidates with less heat
    "trend_topic_heat",  # logarithm of the mean heat of the candidate's topics over that of all candidates
)
DIRECTIONS = (1, 1, 1, 1, 1, 1)
# So many papers of mean heat are added to each topic: one hot paper makes no hot topic.
_FEW_PAPERS = 3.0


def compute(_profile: Profile, candidates: PaperMatrix, as_of: float, asker: Asker = NOBODY) -> Float32Array:
    """(n, 6) float32; NaN where upvotes are unknown, and heat is NaN for all where nobody touched any candidate."""
    found = trends(candidates, as_of, asker.reader)
    columns = (
        np.log1p(np.maximum(found.upvotes, 0.0)),
        ranks_among(found.upvotes),
        np.log1p(np.maximum(found.velocity, 0.0)),
        np.log1p(found.heat),
        ranks_among(found.heat),
        _topic_heat(found.heat, candidates.topic_weights),
    )
    return np.stack(columns, axis=1).astype(np.float32)


def _topic_heat(heat: Float64Array, topic_weights: Float32Array | None) -> Float64Array:
    """(n,) NaN where a candidate's topics or all heat is unknown."""
    out = np.full(len(heat), np.nan)
    if topic_weights is None or not topic_weights.shape[1] or np.isnan(heat).all():
        return out
    known = ~np.isnan(topic_weights[:, 0])
    weights = topic_weights[known].astype(np.float64)
    mean = float(heat.mean())
    total = np.einsum("ij,i->j", weights, heat[known]) + _FEW_PAPERS * mean
    size = weights.sum(axis=0) + _FEW_PAPERS
    out[known] = np.log(np.einsum("ij,j->i", weights, total / size) / mean)
    return out
