"""Family collaborative: similarity of the candidate to liked papers in a space of predicted co-likes.

The user's position in the space follows from the likes alone, so the family works for users never seen in training.
"""

from ranker.features.inputs import Inputs
from ranker.relative import standardised
from ranker.types import Float32Array

FAMILY = "collaborative"
NAMES = (
    "collaborative_linear",  # score of the user's linear model
    # How far the candidate stands out among the others:
    "collaborative_mean_relative",  # by the mean cosine to the likes
    "collaborative_linear_relative",  # by the score of the linear model
)
DIRECTIONS = (1, 1, 1)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for pending vectors, users without liked vectors and bundles without a factor map."""
    found = inputs.likeness("factors")
    if found is not None:
        out[0] = found.linear
        out[1], out[2] = standardised(found.mean), standardised(found.linear)
