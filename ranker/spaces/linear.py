"""Normalisation and whitening of dense rows."""

import numpy as np

from ranker.types import Float32Array, Float64Array


def unit_rows(vectors: Float32Array) -> Float32Array:
    """Return the rows scaled to length 1, C-contiguous; rows of zeros or with values that are not finite become NaN."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths: Float32Array = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    lengths[~(np.isfinite(lengths) & (lengths > 0))] = np.nan
    return vectors / lengths[:, None]


def inverse_root(covariance: Float64Array, damping: float) -> Float32Array:
    """Return the symmetric inverse square root of a covariance, with ``damping`` mean variances added to each."""
    variances, directions = np.linalg.eigh(covariance)
    scale = 1 / np.sqrt(np.maximum(variances, 0) + damping * variances.mean() + 1e-12)
    return np.asarray((directions * scale) @ directions.T, dtype=np.float32)
