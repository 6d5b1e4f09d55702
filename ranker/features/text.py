"""Family text: words and word pairs that the candidate shares with liked papers."""

import numpy as np

from ranker.asker import NOBODY, Asker
from ranker.features.similarity import nearest_means
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
from ranker.types import Float32Array

FAMILY = "text"
# In all of them words that many of the candidates share count less.
NAMES = (
    "text_nearest",  # TF-IDF cosine to the nearest like
    "text_top3",  # mean TF-IDF cosine of the three nearest likes
    "text_mean",  # mean TF-IDF cosine to all likes
    "text_centroid",  # TF-IDF cosine to the mean of the likes
    "text_bm25",  # BM25 weights of the candidate's terms, each times the term's mean TF-IDF in the likes
    # How much text there is: words of titles alone say little, those of abstracts much.
    "text_candidate_terms",  # natural logarithm of 1 + distinct terms of the candidate
    "text_liked_terms",  # the same of the mean over the likes
)
DIRECTIONS = (1, 1, 1, 1, 1, 0, 0)


def compute(profile: Profile, candidates: PaperMatrix, _as_of: float, _asker: Asker = NOBODY) -> Float32Array:
    """(n, 7) float32; NaN for candidates without words and users none of whose likes has words."""
    out = np.full((len(candidates), len(NAMES)), np.nan, dtype=np.float32)
    liked, mean = profile.liked_tfidf, profile.mean_tfidf
    if liked is None or mean is None or not len(liked) or candidates.tfidf is None or candidates.bm25 is None:
        return out
    similarities = liked.dot(candidates.tfidf, telling=True)
    out[:, :2] = nearest_means(similarities, (1, 3))
    out[:, 2] = similarities.mean(axis=1)
    out[:, 3] = out[:, 2] / np.float32(max(profile.tfidf_centroid_length, 1e-6))
    out[:, 4] = mean.dot(candidates.bm25, telling=True)[:, 0]
    out[:, 5] = np.log1p(candidates.tfidf.row_sizes)
    out[:, 6] = np.log1p(liked.row_sizes.mean())
    out[candidates.tfidf.row_sizes == 0] = np.nan
    return out
