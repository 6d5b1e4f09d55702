"""Family text: words that the candidate shares with the likes, compared by TF-IDF."""

import numpy as np

from ranker.features.inputs import LINEAR, Inputs, by_user
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
    "text_evidence",  # text_linear_relative, weighted by the amount of text
    "text_candidate_terms",  # natural logarithm of 1 + number of distinct terms of the candidate
)
DIRECTIONS = (1, 1, 1, 1, 1, 0)
_USUAL_TERMS = 80.0
"""Number of distinct terms, pairs of words included, at which words weigh as much as vectors."""
_EVIDENCE_POWER = 0.75
"""Abstracts (185 terms) then weigh 1.9 and titles (11 terms) 0.2. In trials of sums of features, 2 was best for
abstracts and 0.25 for titles."""


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for candidates without words and for users none of whose likes has words."""
    found, candidates = inputs.word_projections, inputs.candidates
    if found is None or candidates.tfidf is None:
        return
    out[:2] = found
    out[2:4] = relative(found, candidates.word_crowding)
    terms = by_user([profile.mean_terms for profile in inputs.profiles]) * candidates.tfidf.row_sizes.mean()
    out[4] = out[2 + LINEAR] * (np.sqrt(terms) / _USUAL_TERMS) ** _EVIDENCE_POWER
    out[5] = candidates.log_term_counts
    if candidates.wordless is not None:
        out[5, :, candidates.wordless] = np.nan
