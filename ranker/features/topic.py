"""Family topic: topics and categories that the candidate shares with the likes, and followed topics and authors."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.features.similarity import cosines
from ranker.types import Float32Array

FAMILY = "topic"
NAMES = (
    "topic_overlap",  # dot product of the candidate's topic weights and the mean topic weights of the likes
    "topic_overlap_telling",  # the same with each topic divided by how common it is among the candidates
    "topic_category_share",  # share of the likes with the candidate's primary category
    "topic_category_overlap",  # mean over the candidate's categories of their shares in the likes; rare ones count more
    "topic_followed",  # 1 if the candidate has a followed topic, else 0
    "topic_followed_author",  # 1 if the candidate has a followed author, else 0
)
DIRECTIONS = (1, 1, 1, 1, 1, 1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN if likes or candidate have no vector or no category, or if the user follows nothing."""
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
