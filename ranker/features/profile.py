"""Family profile: the user's library, the same for every candidate; tells the model how far to trust the others."""

import math

from ranker.features.inputs import Inputs
from ranker.types import Float32Array

FAMILY = "profile"
NAMES = (
    "profile_log_likes",  # natural logarithm of 1 + likes
    "profile_newest_like_days",  # days since the newest like
    "profile_spread",  # 0 for one narrow interest, towards 1 for scattered likes
)
DIRECTIONS = (0, 0, 0)
_DAY_SECONDS = 86_400.0


def compute(inputs: Inputs, out: Float32Array) -> None:
    """The same for every candidate; NaN where no like has a time or a vector."""
    profile = inputs.profile
    newest = (inputs.as_of - profile.newest_like_at) / _DAY_SECONDS
    # max() would turn NaN into 0.
    age = newest if math.isnan(newest) else max(newest, 0.0)
    out.T[:] = (math.log1p(profile.like_count), age, 1.0 - profile.centroid_length)
