"""Family collaborative: how near the candidate lies to liked papers in two spaces of predicted co-likes.

A reader's place there is folded in from the likes, so it needs nothing of the reader but those.
"""

import numpy as np

from ranker.asker import Asker
from ranker.features.similarity import against_likes, cosines, relative
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
from ranker.types import Float32Array

FAMILY = "collaborative"
NAMES = (
    "collaborative_centroid",  # cosine to the mean of the likes' factors
    "collaborative_nearest",  # to the nearest like
    "collaborative_top3",  # mean over the three nearest likes
    "collaborative_top10",  # over the ten nearest
    "collaborative_soft_max",  # over all, favouring near likes
    "collaborative_linear",  # a linear model of the user
    "collaborative_density",  # mean cosine to the nearest papers at large
    "collaborative_likes_density",  # mean of the same over the likes: how well the bundle knows the user's field
    # How far the candidate stands out among the others, less its density: by the centroid, the ten nearest.
    "collaborative_centroid_relative",
    "collaborative_top10_relative",
    "collaborative_readers_centroid",  # the first six by the factors of papers' readers
    "collaborative_readers_nearest",
    "collaborative_readers_top3",
    "collaborative_readers_top10",
    "collaborative_readers_soft_max",
    "collaborative_readers_linear",
    "collaborative_readers_relative",  # how far the cosine to their centroid stands out among the candidates
)
DIRECTIONS = (1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1)


def compute(profile: Profile, candidates: PaperMatrix, _as_of: float, _asker: Asker | None = None) -> Float32Array:
    """(n, 17) float32; NaN for pending vectors, users without liked vectors and bundles without a map."""
    out = np.full((len(candidates), len(NAMES)), np.nan, dtype=np.float32)
    liked = profile.liked_factors
    if liked is None or not len(liked) or candidates.factors is None:
        return out
    similarities = cosines(liked, candidates.factors)
    out[:, :6] = against_likes(similarities, profile.factor_centroid_length, profile.factor_weights).T
    out[:, 6] = candidates.factor_density
    out[candidates.has_vector, 7] = profile.factor_density
    for column, source in ((8, 0), (9, 3)):
        out[:, column] = relative(out[:, source], candidates.factor_density, share=0.25)
    readers = profile.liked_reader_factors
    if readers.shape[1] and candidates.reader_factors.shape[1] == readers.shape[1]:
        similarities = cosines(readers, candidates.reader_factors)
        out[:, 10:16] = against_likes(similarities, profile.reader_centroid_length, profile.reader_weights).T
        out[:, 16] = relative(out[:, 10], candidates.factor_density, share=0.25)
    return out
