"""Family topic: categories that the candidate shares with the likes, and followed topics and authors."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.relative import standardised
from ranker.types import Float32Array

FAMILY = "topic"
NAMES = (
    "topic_category_overlap",  # mean over the candidate's categories of their shares in the likes; rare ones count more
    "topic_category_overlap_relative",  # how far the candidate stands out by it
    "topic_followed",  # 1 if the candidate has a followed topic, else 0
    "topic_followed_author",  # 1 if the candidate has a followed author, else 0
)
DIRECTIONS = (1, 1, 1, 1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN if likes or candidate have no category, or if the user follows nothing."""
    categories = inputs.candidates.categories
    for user, (profile, context) in enumerate(zip(inputs.profiles, inputs.contexts, strict=True)):
        if profile.category_shares and categories.names:
            out[0, user] = categories.mean_values(profile.category_shares)
        for row, flags in ((2, context.followed_topic), (3, context.followed_author)):
            if flags is not None:
                out[row, user] = flags
    if not np.isnan(out[0]).all():
        out[1] = standardised(out[0])
