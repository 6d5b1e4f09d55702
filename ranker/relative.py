"""How far a candidate stands out among the others, in figures that mean the same in every digest."""

import numpy as np

from ranker.types import Float32Array


def standardised(values: Float32Array) -> Float32Array:
    """(..., n) float32: each row as standard deviations from its mean, over what is not NaN; NaN stays."""
    if not values.size:
        return values
    if np.isnan(np.add.reduce(values, axis=None)):
        return _standardised_in_part(values)
    count = np.float32(values.shape[-1])
    rest = values - np.add.reduce(values, axis=-1, keepdims=True) / count
    spread = np.sqrt(np.add.reduce(rest * rest, axis=-1, keepdims=True) / count)
    return np.asarray(rest / np.where(spread > 1e-9, spread, np.float32(1)), dtype=np.float32)


def _standardised_in_part(values: Float32Array) -> Float32Array:
    out = np.full_like(values, np.nan)
    for row, found in zip(values.reshape(-1, values.shape[-1]), out.reshape(-1, values.shape[-1]), strict=True):
        known = ~np.isnan(row)
        if known.any():
            found[known] = standardised(row[known])
    return out


def crowding(densities: Float32Array) -> Float32Array:
    """(n,) float32: how crowded each candidate's neighbourhood is among the others; 0 where that is unknown."""
    return np.nan_to_num(standardised(densities))


def relative(values: Float32Array, crowded: Float32Array | float, share: float = 0.5) -> Float32Array:
    """(..., n) float32: how far a candidate stands out from the others, less how crowded its neighbourhood is.

    Both are taken as standard deviations from the candidates' mean, so that figures of long and short texts, and of
    narrow and wide digests, mean the same. NaN where a value is NaN.

    Args:
        crowded: Of ``crowding``.
    """
    return standardised(values) - np.float32(share) * np.asarray(crowded, dtype=np.float32)
