"""Family collaborative: similarity of the candidate to liked papers in a space of predicted co-likes.

The user's position in the space follows from the likes alone, so the family works for users never seen in training.
"""

from ranker.features.inputs import LINEAR, MEAN, Inputs
from ranker.relative import standardised
from ranker.types import Float32Array

FAMILY = "collaborative"
NAMES = (
    "collaborative_mean",  # dot product with the mean like
    "collaborative_linear",  # score of the user's linear model
    # How far the candidate stands out among the others:
    "collaborative_mean_relative",
    "collaborative_linear_relative",
)
DIRECTIONS = (1, 1, 1, 1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for pending vectors, users without liked vectors and bundles without a factor map."""
    found = inputs.projections("factors")
    if found is not None:
        out[:2] = found[[MEAN, LINEAR]]
        out[2:] = standardised(found)[[MEAN, LINEAR]]
