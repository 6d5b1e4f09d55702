"""Family recency: the candidate's age at ``as_of``."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.types import Float32Array

FAMILY = "recency"
NAMES = ("recency_days",)  # days since publication, else since the paper was first seen
DIRECTIONS = (0,)
_DAY_SECONDS = 86_400.0


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the feature; NaN for unknown dates, 0 for dates after ``as_of``."""
    out[0] = np.maximum((inputs.as_of - inputs.candidates.dates) / _DAY_SECONDS, 0.0)
