"""Dense products whose rows come out bit for bit the same whatever rows stand beside them."""

import numpy as np

from ranker.types import Float32Array

# BLAS may sum in another order for another shape. Blocks of one shape, padded with zeros, give equal bits (tested);
# 48 is a multiple of the tile heights in use and small enough that a lone paper costs little.
BLOCK_ROWS = 48


def multiplied_rows(rows: Float32Array, matrix: Float32Array) -> Float32Array:
    """(n, k) float32: each row times a (d, k) matrix."""
    out = np.empty((len(rows), matrix.shape[1]), dtype=np.float32)
    block = np.zeros((BLOCK_ROWS, matrix.shape[0]), dtype=np.float32)
    for start in range(0, len(rows), BLOCK_ROWS):
        part = rows[start : start + BLOCK_ROWS]
        block[: len(part)] = part
        out[start : start + BLOCK_ROWS] = (block @ matrix)[: len(part)]
    return out


def unit_rows(vectors: Float32Array) -> Float32Array:
    """Rows scaled to length 1, C-contiguous; rows of zeros or with anything not finite become NaN throughout."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths: Float32Array = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    lengths[~(np.isfinite(lengths) & (lengths > 0))] = np.nan
    return vectors / lengths[:, None]
