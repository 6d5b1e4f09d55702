"""Family profile: size and spread of the user's library. They tell the model how far to trust other families."""

import math

from ranker.features.inputs import Inputs, by_user
from ranker.types import Float32Array

FAMILY = "profile"
NAMES = (
    "profile_log_likes",  # natural logarithm of 1 + likes
    "profile_spread",  # 0 for one narrow interest, towards 1 for scattered likes
)
DIRECTIONS = (0, 0)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features, equal for all candidates; the spread is NaN if no like has a vector."""
    out[0] = by_user([math.log1p(profile.like_count) for profile in inputs.profiles])
    out[1] = by_user([profile.spread for profile in inputs.profiles])
