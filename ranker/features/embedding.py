"""Family embedding: similarity of the candidate's vector to the vectors of liked and disliked papers."""

from ranker.features.inputs import LINEAR, MEAN, Inputs
from ranker.relative import standardised
from ranker.types import Float32Array

FAMILY = "embedding"
NAMES = (
    "embedding_nearest",  # cosine to the nearest like
    "embedding_nearest_relative",  # how far the candidate stands out by that cosine
    "embedding_interest",  # cosine to the user's nearest interest
    "embedding_mean_relative",  # whitened: how far the candidate stands out by the dot product with the mean like
    "embedding_linear",  # whitened: score of the user's linear model
    "embedding_linear_relative",  # how far the candidate stands out by that score
    "embedding_disliked_nearest",  # cosine to the nearest disliked paper
)
DIRECTIONS = (1, 1, 1, 1, 1, 1, -1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for pending vectors and for users without liked (disliked) vectors."""
    out[0] = inputs.greatest_cosines(lambda profile: profile.liked_units)
    out[1] = standardised(out[0])
    out[2] = inputs.greatest_cosines(lambda profile: profile.interests.centroids)
    found = inputs.projections("whitened")
    if found is not None:
        out[4] = found[LINEAR]
        out[3], out[5] = standardised(found)[[MEAN, LINEAR]]
    out[6] = inputs.greatest_cosines(lambda profile: profile.disliked_units)
