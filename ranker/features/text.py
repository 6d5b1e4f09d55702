"""Family text: words and word pairs that the candidate shares with liked papers."""

import numpy as np

from ranker.asker import Asker
from ranker.features.similarity import against_likes, relative
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
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


def compute(profile: Profile, candidates: PaperMatrix, _as_of: float, _asker: Asker | None = None) -> Float32Array:
    """(n, 14) float32; NaN for candidates without words and users none of whose likes has words."""
    out = np.full((len(candidates), len(NAMES)), np.nan, dtype=np.float32)
    liked, mean = profile.liked_tfidf, profile.mean_tfidf
    if liked is None or mean is None or not len(liked) or candidates.tfidf is None or candidates.bm25 is None:
        return out
    similarities = liked.dot(candidates.tfidf, telling=True)
    similarities[:, candidates.tfidf.row_sizes == 0] = np.nan
    density = candidates.word_density
    out[:, :6] = against_likes(similarities, profile.tfidf_centroid_length, profile.tfidf_weights).T
    out[:, 6] = similarities.mean(axis=0)
    out[:, 7] = mean.dot(candidates.bm25, telling=True)[0]
    out[:, 8] = density
    for column, source in ((9, 6), (10, 5), (11, 1)):
        out[:, column] = relative(out[:, source], density)
    out[:, 12] = np.log1p(candidates.tfidf.row_sizes)
    out[candidates.tfidf.row_sizes == 0] = np.nan
    # Of the reader, so known for every candidate: the model asks it first (training.experts).
    out[:, 13] = np.log1p(liked.row_sizes.mean())
    return out
