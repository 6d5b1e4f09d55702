"""Family profile: the user's library, the same for every candidate; tells the model how far to trust the others."""

import math

import numpy as np

from ranker.asker import NOBODY, Asker
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
from ranker.types import Float32Array

FAMILY = "profile"
NAMES = (
    "profile_log_likes",  # natural logarithm of 1 + likes
    "profile_newest_like_days",  # days since the newest like
    "profile_spread",  # 0 for one narrow interest, towards 1 for scattered likes
)
DIRECTIONS = (0, 0, 0)
_DAY_SECONDS = 86_400.0


def compute(profile: Profile, candidates: PaperMatrix, as_of: float, _asker: Asker = NOBODY) -> Float32Array:
    """(n, 3) float32 with equal rows; NaN where no like has a time or a vector."""
    newest = (as_of - profile.newest_like_at) / _DAY_SECONDS
    # max() would turn NaN into 0.
    age = newest if math.isnan(newest) else max(newest, 0.0)
    row = (math.log1p(profile.like_count), age, 1.0 - profile.centroid_length)
    return np.tile(np.array(row, dtype=np.float32), (len(candidates), 1))
