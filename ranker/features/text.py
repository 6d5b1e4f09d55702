"""Family text: words and word pairs that the candidate shares with liked papers."""

import numpy as np

from ranker.features.inputs import Inputs
from ranker.features.similarity import Sum
from ranker.relative import relative
from ranker.types import Float32Array

FAMILY = "text"
# In all of them words that many of the candidates share count less.
NAMES = (
    "text_centroid",  # TF-IDF cosine to the mean of the likes
    "text_nearest",  # to the nearest like
    "text_top3",  # mean over the three nearest likes
    "text_top10",  # over the ten nearest
    "text_soft_max",  # over all, favouring near likes
    "text_linear",  # a linear model of the user
    "text_mean",  # mean TF-IDF cosine to all likes
    "text_bm25",  # BM25 weights of the candidate's terms, each times the term's mean TF-IDF in the likes
    "text_density",  # mean TF-IDF cosine to the nearest papers at large
    # How far the candidate stands out among the others, less its density: by mean, linear model and nearest.
    "text_mean_relative",
    "text_linear_relative",
    "text_nearest_relative",
    # How much text there is: words of titles alone say little, those of abstracts much.
    "text_candidate_terms",  # natural logarithm of 1 + distinct terms of the candidate
    "text_liked_terms",  # the same of the mean over the likes
)
DIRECTIONS = (1, 1, 1, 1, 1, 1, 1, 1, -1, 1, 1, 1, 0, 0)


def compute(inputs: Inputs, out: Float32Array) -> None:
    """NaN for candidates without words and users none of whose likes has words."""
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
    # Of the reader, so known for every candidate: the model asks it first (training.trees.experts).
    out[13] = profile.log_mean_terms
