"""Family trend: upvotes and events of the candidate, as far as they were known at ``as_of``."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.trending import ranks_among, trends
from ranker.types import Float32Array

FAMILY = "trend"
NAMES = (
    "trend_upvotes_rank",  # share of the candidates with fewer upvotes
    "trend_velocity",  # natural logarithm of 1 + upvotes per day
    "trend_heat_rank",  # share of the candidates with less heat: decayed likes, saves and clicks of other users
)
DIRECTIONS = (1, 1, 1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for unknown upvotes, and heat is NaN if no candidate has any event."""
    signals = inputs.candidates.columns.signals
    has_events = signals is not None and len(signals.event_at) > 0
    for user, context in enumerate(inputs.contexts):
        own = out[:, user]
        if user and not has_events:  # Trends without events are the same for all users.
            own[:] = out[:, 0]
            continue
        found = trends(inputs.candidates, inputs.as_of, context.user)
        if not np.isnan(found.upvotes).all():
            own[0] = ranks_among(found.upvotes)
            own[1] = np.log1p(np.maximum(found.velocity, 0.0))
        if not np.isnan(found.heat).all():
            own[2] = ranks_among(found.heat)
