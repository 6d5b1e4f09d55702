"""Family embedding: similarity of the candidate's vector to the vectors of liked and disliked papers."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.features.similarity import Sum, cosines
from ranker.relative import relative
from ranker.types import Float32Array

FAMILY = "embedding"
NAMES = (
    "embedding_centroid",  # cosine to the mean of the likes
    "embedding_nearest",  # cosine to the nearest like
    "embedding_top3",  # mean cosine to the three nearest likes
    "embedding_top10",  # mean cosine to the ten nearest likes
    "embedding_soft_max",  # mean cosine to all likes, weighted towards near ones
    # After subtracting the mean vector of the candidates from all vectors:
    "embedding_centred_mean",  # mean cosine to the likes
    "embedding_centred_nearest",  # cosine to the nearest like
    "embedding_centred_top3",
    "embedding_centred_top10",
    # The first five features in the whitened space:
    "embedding_whitened_centroid",
    "embedding_whitened_nearest",
    "embedding_whitened_top3",
    "embedding_whitened_top10",
    "embedding_whitened_soft_max",
    "embedding_whitened_linear",  # score of the user's linear model in the whitened space
    "embedding_whitened_relative",  # how far embedding_whitened_top10 stands out among the candidates
    "embedding_interest",  # cosine to the user's nearest interest
    "embedding_interest_weight",  # weight of that interest
    "embedding_disliked_nearest",  # cosine to the nearest disliked paper
)
DIRECTIONS = (1,) * 17 + (0, -1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for pending vectors and for users without liked (disliked) vectors."""
    profile, candidates, found = inputs.profile, inputs.candidates, inputs.likeness
    if found.plain is not None and found.centred is not None:
        out[0] = found.plain[Sum.MEAN] / np.float32(max(profile.centroid_lengths["plain"], 1e-6))
        out[1:5] = found.plain[Sum.NEAREST :]
        # In a digest on one field every paper is near every like. Only the differences tell papers apart.
        out[5] = found.centred[Sum.MEAN]
        out[6:9] = found.centred[Sum.NEAREST : Sum.SOFT_MAX]
        nearest, out[16] = inputs.near_interests
        out[17] = np.append(profile.interests.weights, np.float32(np.nan))[nearest]
    if found.whitened is not None:
        out[9] = found.whitened[Sum.MEAN] / np.float32(max(profile.centroid_lengths["whitened"], 1e-6))
        out[10:14] = found.whitened[Sum.NEAREST :]
        out[14] = found.whitened[Sum.LINEAR]
        out[15] = relative(out[12], 0)
    if len(profile.disliked_units):
        out[18] = cosines(profile.disliked_units, candidates.units).max(axis=0)
