"""Family text: similarity of the candidate to liked papers by words and word pairs."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.features.similarity import Sum
from ranker.relative import relative
from ranker.types import Float32Array

FAMILY = "text"
# In all of these a term that many candidates share counts less.
NAMES = (
    "text_centroid",  # TF-IDF cosine to the mean of the likes
    "text_nearest",  # TF-IDF cosine to the nearest like
    "text_top3",  # mean cosine to the three nearest likes
    "text_top10",  # mean cosine to the ten nearest likes
    "text_soft_max",  # mean cosine to all likes, weighted towards near ones
    "text_linear",  # score of the user's linear model
    "text_mean",  # mean TF-IDF cosine to all likes
    "text_bm25",  # sum over the candidate's terms of BM25 weight times mean TF-IDF in the likes
    "text_density",  # mean TF-IDF cosine to the nearest papers of the background
    # How far the candidate stands out among the others, minus half its crowding:
    "text_mean_relative",  # by text_mean
    "text_linear_relative",  # by text_linear
    "text_nearest_relative",  # by text_nearest
    # The amount of text, because titles alone say less than abstracts:
    "text_candidate_terms",  # natural logarithm of 1 + number of distinct terms of the candidate
    "text_liked_terms",  # natural logarithm of 1 + mean number of distinct terms of the likes
)
DIRECTIONS = (1, 1, 1, 1, 1, 1, 1, 1, -1, 1, 1, 1, 0, 0)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """Write the features; NaN for candidates without words and for users none of whose likes has words."""
    profile, candidates, found = inputs.profile, inputs.candidates, inputs.likeness
    if found.words is None or found.bm25 is None or profile.liked_tfidf is None:
        return
    out[0] = found.words[Sum.MEAN] / np.float32(max(profile.tfidf_centroid_length, 1e-6))
    out[1:5] = found.words[Sum.NEAREST :]
    out[5] = found.words[Sum.LINEAR]
    out[6] = found.words[Sum.MEAN]
    out[7] = found.bm25
    out[8] = candidates.word_density
    out[9:12] = relative(found.words[[Sum.MEAN, Sum.LINEAR, Sum.NEAREST]], candidates.word_crowding)
    out[12] = candidates.log_term_counts
    if candidates.wordless is not None:
        out[:, candidates.wordless] = np.nan
    # Written last, because it describes the user and so is known for every candidate.
    out[13] = profile.log_mean_terms
