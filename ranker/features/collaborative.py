"""Family collaborative: similarity of the candidate to liked papers in two spaces of predicted co-likes.

The user's position in these spaces follows from the likes alone, so the family works for users never seen in training.
"""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.features.similarity import Sum
from ranker.relative import relative
from ranker.types import Float32Array

FAMILY = "collaborative"
NAMES = (
    "collaborative_centroid",  # cosine to the mean of the likes' factors
    "collaborative_nearest",  # cosine to the nearest like
    "collaborative_top3",  # mean cosine to the three nearest likes
    "collaborative_top10",  # mean cosine to the ten nearest likes
    "collaborative_soft_max",  # mean cosine to all likes, weighted towards near ones
    "collaborative_linear",  # score of the user's linear model
    "collaborative_density",  # mean cosine to the nearest papers of the background
    "collaborative_likes_density",  # mean density of the likes: high where the bundle knows the user's field
    # How far the candidate stands out among the others, minus a quarter of its crowding:
    "collaborative_centroid_relative",  # by the cosine to the centroid
    "collaborative_top10_relative",  # by the ten nearest likes
    # The first six features computed from user factors, which place a paper by the users who like it:
    "collaborative_readers_centroid",
    "collaborative_readers_nearest",
    "collaborative_readers_top3",
    "collaborative_readers_top10",
    "collaborative_readers_soft_max",
    "collaborative_readers_linear",
    "collaborative_readers_relative",  # how far collaborative_readers_centroid stands out, minus the same
)
DIRECTIONS = (1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for pending vectors, users without liked vectors and bundles without a factor map."""
    profile, candidates, found = inputs.profile, inputs.candidates, inputs.likeness
    if found.factors is None:
        return
    _columns_of(found.factors, profile.centroid_lengths["factors"], out[:6])
    out[6] = candidates.factor_density
    out[7] = np.where(candidates.has_vector, np.float32(profile.factor_density), np.float32(np.nan))
    out[8:10] = relative(out[0:4:3], candidates.factor_crowding, share=0.25)
    if found.users is not None:
        _columns_of(found.users, profile.centroid_lengths["users"], out[10:16])
        out[16] = relative(out[10], candidates.factor_crowding, share=0.25)


def _columns_of(found: Float32Array, centroid_length: float, out: Float32Array) -> None:
    """Write the first six features of the family."""
    out[0] = found[Sum.MEAN] / np.float32(max(centroid_length, 1e-6))
    out[1:5] = found[Sum.NEAREST :]
    out[5] = found[Sum.LINEAR]
