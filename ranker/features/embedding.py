"""Family embedding: the candidate's vector against the vectors of liked and disliked papers."""

import numpy as np

from ranker.features.similarity import nearest_means, soft_maximum
from ranker.profile import Profile
from ranker.spaces import PaperMatrix, unit_rows
from ranker.types import Float32Array

FAMILY = "embedding"
NAMES = (
    "embedding_centroid",  # cosine to the mean of the likes
    "embedding_nearest",  # cosine to the nearest like
    "embedding_top3",  # mean cosine of the three nearest likes
    "embedding_top10",  # mean cosine of the ten nearest likes
    "embedding_soft_max",  # mean cosine that favours near likes
    "embedding_centred_mean",  # after taking out what all candidates share: mean cosine to the likes
    "embedding_centred_nearest",  # the same to the nearest, the three and the ten nearest
    "embedding_centred_top3",
    "embedding_centred_top10",
    "embedding_whitened_mean",  # the last four in the whitened space, where frequent directions count less
    "embedding_whitened_nearest",
    "embedding_whitened_top3",
    "embedding_whitened_top10",
    "embedding_disliked_nearest",  # cosine to the nearest disliked paper
)
DIRECTIONS = (1,) * 13 + (-1,)


def compute(profile: Profile, candidates: PaperMatrix, _as_of: float) -> Float32Array:
    """(n, 14) float32; NaN for pending vectors and where the user has no liked (disliked) vectors."""
    out = np.full((len(candidates), len(NAMES)), np.nan, dtype=np.float32)
    if len(profile.liked_units):
        cosines = candidates.units @ profile.liked_units.T
        out[:, 0] = cosines.mean(axis=1) / np.float32(max(profile.centroid_length, 1e-6))
        out[:, 1:4] = nearest_means(cosines, (1, 3, 10))
        out[:, 4] = soft_maximum(cosines)
        out[:, 5:9] = _centred(profile.liked_units, candidates.centre, candidates.centred_units)
        if profile.liked_whitened is not None and candidates.whitened is not None:
            centre, centred = candidates.whitened_centre, candidates.centred_whitened
            out[:, 9:13] = _centred(profile.liked_whitened, centre, centred)
    if len(profile.disliked_units):
        out[:, 13] = (candidates.units @ profile.disliked_units.T).max(axis=1)
    return out


def _centred(liked: Float32Array, centre: Float32Array, centred_candidates: Float32Array) -> Float32Array:
    """(n, 4) float32: mean, nearest, top 3 and top 10, seen from the candidates' centre.

    In a digest on one field every paper is near every like; what differs is what matters.
    """
    cosines = centred_candidates @ unit_rows(liked - centre).T
    return np.column_stack((cosines.mean(axis=1), nearest_means(cosines, (1, 3, 10))))
