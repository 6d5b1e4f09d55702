"""Family text: words that the candidate shares with the likes, compared by TF-IDF."""

import numpy as np

from ranker.features.inputs import Inputs, by_user
from ranker.relative import relative
from ranker.types import Float32Array

FAMILY = "text"
# In all of these a term that many candidates share counts less.
NAMES = (
    "text_linear",  # score of the user's linear model
    "text_nearest",  # TF-IDF cosine to the nearest like
    # How far the candidate stands out among the others, minus half its crowding:
    "text_linear_relative",
    "text_nearest_relative",
    "text_evidence",  # 0.6 of the first and 0.4 of the second, weighted by the amount of text
    "text_candidate_terms",  # natural logarithm of 1 + number of distinct terms of the candidate
)
DIRECTIONS = (1, 1, 1, 1, 1, 0)
_LINEAR_SHARE = 0.6
_USUAL_TERMS = 80.0
"""Number of distinct terms, stems and pairs of words included, at which words weigh as much as vectors."""
_EVIDENCE_POWER = 0.75
"""Abstracts (220 to 290 terms) then weigh 2.2 to 2.6 and titles (16 terms) 0.3. In trials of sums of features, 2 was
best for abstracts and 0.25 for titles."""


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for candidates without words and for users none of whose likes has words."""
    found, candidates = inputs.word_likeness, inputs.candidates
    if found is None or candidates.tfidf is None or not len(candidates):
        return
    out[:2] = found.linear, found.nearest
    out[2:4] = relative(out[:2], candidates.word_crowding)
    terms = by_user([profile.text_amount for profile in inputs.profiles]) * candidates.tfidf.row_sizes.mean()
    weight = (np.sqrt(terms) / _USUAL_TERMS) ** _EVIDENCE_POWER
    out[4] = weight * (_LINEAR_SHARE * out[2] + (1 - _LINEAR_SHARE) * out[3])
    out[5] = candidates.log_term_counts
    if candidates.wordless is not None:
        out[5, :, candidates.wordless] = np.nan
