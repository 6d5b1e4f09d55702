"""Family embedding: similarity of the candidate's vector to the vectors of liked and disliked papers."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.relative import standardised
from ranker.types import Float32Array

FAMILY = "embedding"
NAMES = (
    "embedding_nearest",  # cosine to the nearest like
    "embedding_interest",  # cosine to the user's nearest interest
    "embedding_linear",  # score of the user's linear model in the whitened space
    # How far the candidate stands out among the others, in the whitened space:
    "embedding_mean_relative",  # by the mean cosine to the likes
    "embedding_linear_relative",  # by the score of the linear model
    "embedding_nearest_relative",  # by the cosine to the nearest like
    "embedding_disliked_nearest",  # cosine to the nearest disliked paper
)
DIRECTIONS = (1, 1, 1, 1, 1, 1, -1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for pending vectors and for users without liked (disliked) vectors."""
    out[0], out[1], out[6] = inputs.nearest()
    found = inputs.likeness("whitened")
    if found is not None:
        out[2] = found.linear
        out[3:6] = standardised(np.stack(found))
