"""Family embedding: the candidate's vector against the vectors of liked and disliked papers."""

import numpy as np

from ranker.asker import Asker
from ranker.features.similarity import against_likes, cosines, nearest_means, relative, soft_maximum
from ranker.profile import Profile
from ranker.spaces import PaperMatrix
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
    "embedding_whitened_centroid",  # the first five in the whitened space
    "embedding_whitened_nearest",
    "embedding_whitened_top3",
    "embedding_whitened_top10",
    "embedding_whitened_soft_max",
    "embedding_whitened_linear",  # a linear model of the user in the whitened space
    "embedding_whitened_relative",  # how far the ten nearest stand out among the candidates
    "embedding_interest",  # cosine to the nearest of the user's interests
    "embedding_interest_weight",  # and that interest's share of the likes
    "embedding_disliked_nearest",  # cosine to the nearest disliked paper
)
DIRECTIONS = (1,) * 17 + (0, -1)
_NOTHING_LEFT = np.float32(1e-12)


def compute(profile: Profile, candidates: PaperMatrix, _as_of: float, _asker: Asker | None = None) -> Float32Array:
    """(n, 19) float32; NaN for pending vectors and where the user has no liked (disliked) vectors."""
    out = np.full((len(candidates), len(NAMES)), np.nan, dtype=np.float32)
    if len(profile.liked_units):
        plain = cosines(profile.liked_units, candidates.units)
        out[:, 0] = plain.mean(axis=0) / np.float32(max(profile.centroid_length, 1e-6))
        out[:, 1:4] = nearest_means(plain, (1, 3, 10)).T
        out[:, 4] = soft_maximum(plain)
        # In a digest on one field every paper is near every like; what differs is what matters.
        centred = _centred(plain, profile.liked_units, candidates)
        out[:, 5] = centred.mean(axis=0)
        out[:, 6:9] = nearest_means(centred, (1, 3, 10)).T
        if profile.liked_whitened is not None and candidates.whitened is not None:
            whitened = cosines(profile.liked_whitened, candidates.whitened)
            out[:, 9:15] = against_likes(whitened, profile.whitened_centroid_length, profile.whitened_weights).T
            out[:, 15] = relative(out[:, 12], np.full(len(candidates), np.nan, dtype=np.float32))
        out[:, 16:18] = profile.interests.features(candidates.units)
    if len(profile.disliked_units):
        out[:, 18] = (candidates.units @ profile.disliked_units.T).max(axis=1)
    return out


def _centred(plain: Float32Array, liked: Float32Array, candidates: PaperMatrix) -> Float32Array:
    """(m, n) float32 cosines after taking the candidates' centre out of both sides; NaN where nothing is left.

    Out of the cosines that are there already: a product of the centred vectors would cost as much as the first one.
    """
    centre = candidates.centre
    towards = np.einsum("ij,j->i", liked, centre)
    square = np.einsum("i,i->", centre, centre)
    # A like's vector has length 1.
    lengths = np.sqrt(np.maximum(1 - 2 * towards + square, _NOTHING_LEFT))
    rest = plain - towards[:, None] - candidates.towards_centre + square
    return np.asarray(rest / (lengths[:, None] * candidates.centred_lengths), dtype=np.float32)
