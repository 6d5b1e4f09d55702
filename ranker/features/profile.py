"""Family profile: size of the user's library. It tells the model how far to trust other families."""

import math

from ranker.features.inputs import Inputs, by_user
from ranker.types import Float32Array

FAMILY = "profile"
NAMES = ("profile_log_likes",)  # natural logarithm of 1 + likes
DIRECTIONS = (0,)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the feature, equal for all candidates."""
    out[0] = by_user([math.log1p(profile.like_count) for profile in inputs.profiles])
