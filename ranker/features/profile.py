"""Family profile: size, age and spread of the user's library. They tell the model how far to trust other families."""

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
    """Write the features, equal for all candidates; NaN if no like has a time or a vector."""
    profile = inputs.profile
    newest = (inputs.as_of - profile.newest_like_at) / _DAY_SECONDS
    # max(NaN, 0.0) depends on the order of its arguments.
    age = newest if math.isnan(newest) else max(newest, 0.0)
    out.T[:] = (math.log1p(profile.like_count), age, 1.0 - profile.centroid_lengths.get("plain", math.nan))
