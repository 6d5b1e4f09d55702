"""Family collaborative: how near the candidate lies to liked papers in two spaces of predicted co-likes.

A reader's place there is folded in from the likes, so it needs nothing of the reader but those.
"""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.features.similarity import Sum
from ranker.relative import relative
from ranker.types import Float32Array

FAMILY = "collaborative"
NAMES = (
    "collaborative_centroid",  # cosine to the mean of the likes' factors
    "collaborative_nearest",  # to the nearest like
    "collaborative_top3",  # mean over the three nearest likes
    "collaborative_top10",  # over the ten nearest
    "collaborative_soft_max",  # over all, favouring near likes
    "collaborative_linear",  # a linear model of the user
    "collaborative_density",  # mean cosine to the nearest papers at large
    "collaborative_likes_density",  # mean of the same over the likes: how well the bundle knows the user's field
    # How far the candidate stands out among the others, less its density: by the centroid, the ten nearest.
    "collaborative_centroid_relative",
    "collaborative_top10_relative",
    "collaborative_readers_centroid",  # the first six by the factors of papers' readers
    "collaborative_readers_nearest",
    "collaborative_readers_top3",
    "collaborative_readers_top10",
    "collaborative_readers_soft_max",
    "collaborative_readers_linear",
    "collaborative_readers_relative",  # how far the cosine to their centroid stands out among the candidates
)
DIRECTIONS = (1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """NaN for pending vectors, users without liked vectors and bundles without a map."""
    profile, candidates, found = inputs.profile, inputs.candidates, inputs.likeness
    if found.factors is None:
        return
    _columns_of(found.factors, profile.factor_centroid_length, out[:6])
    out[6] = candidates.factor_density
    out[7] = np.where(candidates.has_vector, np.float32(profile.factor_density), np.float32(np.nan))
    out[8:10] = relative(out[0:4:3], candidates.factor_crowding, share=0.25)
    if found.users is not None:
        _columns_of(found.users, profile.user_centroid_length, out[10:16])
        out[16] = relative(out[10], candidates.factor_crowding, share=0.25)


def _columns_of(found: Float32Array, centroid_length: float, out: Float32Array) -> None:
    """Centroid, nearest, top 3, top 10, soft maximum and linear model."""
    out[0] = found[Sum.MEAN] / np.float32(max(centroid_length, 1e-6))
    out[1:5] = found[Sum.NEAREST :]
    out[5] = found[Sum.LINEAR]
