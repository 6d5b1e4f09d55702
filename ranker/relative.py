"""Features relative to the other candidates, on a scale that is the same for every digest."""

import numpy as np

from ranker.types import Float32Array


def standardised(values: Float32Array) -> Float32Array:
    """Return each row as standard deviations from its mean; (..., n) float32. NaN values are ignored and stay NaN."""
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


def relative(values: Float32Array, crowded: Float32Array, share: float = 0.5) -> Float32Array:
    """Return how far each candidate stands out from the others, minus a share of its crowding; (..., n) float32.

    Both terms are standard deviations from the candidates' mean. So the results are comparable between long and short
    texts and between narrow and wide digests. The result is NaN if a value is NaN.

    Args:
        values: (..., n) one feature, or several, of n candidates.
        crowded: (n,) how crowded the neighbourhood of each candidate is, see ``PaperMatrix.word_crowding``.
        share: Weight of the crowding.
    """
    return standardised(values) - np.float32(share) * crowded
