"""Family text: words that the candidate shares with the likes, compared by TF-IDF."""

from ranker.features.inputs import Inputs
from ranker.relative import relative
from ranker.types import Float32Array

FAMILY = "text"
# In all of these a term that many candidates share counts less.
NAMES = (
    "text_mean",  # mean TF-IDF cosine to the likes
    "text_linear",  # score of the user's linear model
    # How far the candidate stands out among the others, minus half its crowding:
    "text_mean_relative",
    "text_linear_relative",
    # The amount of text, because titles alone say less than abstracts:
    "text_candidate_terms",  # natural logarithm of 1 + number of distinct terms of the candidate
)
DIRECTIONS = (1, 1, 1, 1, 0)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for candidates without words and for users none of whose likes has words."""
    found, candidates = inputs.word_projections, inputs.candidates
    if found is None:
        return
    out[:2] = found
    out[2:4] = relative(found, candidates.word_crowding)
    out[4] = candidates.log_term_counts
    if candidates.wordless is not None:
        out[4, :, candidates.wordless] = float("nan")
