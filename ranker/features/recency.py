"""Family recency: the candidate's age at the time asked about, never at the time of asking."""

import numpy as np

from ranker.asker import NOBODY, Asker
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
from ranker.types import Float32Array

FAMILY = "recency"
NAMES = (
    "recency_published_days",  # days since publication
    "recency_first_seen_days",  # days since the paper was first seen
)
DIRECTIONS = (0, 0)
_DAY_SECONDS = 86_400.0


def compute(_profile: Profile, candidates: PaperMatrix, as_of: float, _asker: Asker = NOBODY) -> Float32Array:
    """(n, 2) float32; NaN for unknown dates, 0 for dates after ``as_of``."""
    dates = np.stack((candidates.columns.published_at, candidates.columns.first_seen_at), axis=1)
    return np.maximum((as_of - dates) / _DAY_SECONDS, 0.0).astype(np.float32)
