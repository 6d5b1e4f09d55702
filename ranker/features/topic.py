"""Family topic: topics of the bundle and given categories that candidate and likes share, and what the user follows."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.features.similarity import cosines
from ranker.types import Float32Array

FAMILY = "topic"
NAMES = (
    "topic_overlap",  # the candidate's topic weights times the mean of the likes'
    "topic_overlap_telling",  # the same, each topic divided by how common it is among the candidates
    "topic_category_share",  # share of the likes with the candidate's primary category
    "topic_category_overlap",  # mean share of likes over the candidate's categories; rare ones count more
    "topic_followed",  # 1 where the candidate touches a followed topic, else 0
    "topic_followed_author",  # 1 where a followed author wrote it, else 0
)
DIRECTIONS = (1, 1, 1, 1, 1, 1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """NaN where either side has no vector or no category, and where the user follows nothing."""
    profile, candidates, user_context = inputs.profile, inputs.candidates, inputs.user_context
    weights, commonness = candidates.topic_weights, candidates.topic_commonness
    if profile.liked_topics is not None and weights is not None and commonness is not None:
        liked = np.stack((profile.liked_topics, profile.liked_topics / commonness))
        out[:2] = cosines(liked, weights)
    if profile.category_shares and candidates.categories.names:
        out[2] = candidates.categories.primary_values(profile.primary_shares)
        out[3] = candidates.categories.mean_values(profile.category_shares)
    for row, flags in ((4, user_context.followed_topic), (5, user_context.followed_author)):
        if flags is not None:
            out[row] = flags
