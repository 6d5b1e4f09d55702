"""Family recency: the candidate's age at ``as_of``."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.types import Float32Array

FAMILY = "recency"
NAMES = (
    "recency_published_days",  # days since publication
    "recency_first_seen_days",  # days since the paper was first seen
)
DIRECTIONS = (0, 0)
_DAY_SECONDS = 86_400.0


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for unknown dates, 0 for dates after ``as_of``."""
    columns = inputs.candidates.columns
    for row, dates in enumerate((columns.published_at, columns.first_seen_at)):
        out[row] = np.maximum((inputs.as_of - dates) / _DAY_SECONDS, 0.0)
