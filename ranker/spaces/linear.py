"""Products, normalisation and compact storage of dense rows."""

import numpy as np

from ranker.types import Float32Array, Int8Array, UInt8Array

_BLOCK_ROWS = 8


def product(rows: Float32Array, matrix: Float32Array) -> Float32Array:
    """Multiply (n, d) rows by a (d, k) matrix; (n, k) float32. Rows of NaN give NaN."""
    # BLAS may add in another order for another shape. In blocks of one shape, a row's result does not depend on the
    # other rows, so slates do not depend on the papers that were placed together.
    blocks, rest = divmod(len(rows), _BLOCK_ROWS)
    whole = len(rows) - rest
    found = np.empty((len(rows), matrix.shape[1]), dtype=np.float32)
    padded = np.zeros((_BLOCK_ROWS, rows.shape[1]), dtype=np.float32)
    padded[:rest] = rows[whole:]
    # Some BLAS kernels report rows of NaN as invalid.
    with np.errstate(invalid="ignore"):
        products = rows[:whole].reshape(blocks, _BLOCK_ROWS, rows.shape[1]) @ matrix
        found[:whole] = products.reshape(whole, matrix.shape[1])
        found[whole:] = (padded @ matrix)[:rest]
    return found


def unit_rows(vectors: Float32Array) -> Float32Array:
    """Return the rows scaled to length 1, C-contiguous; rows of zeros or with values that are not finite become NaN."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths: Float32Array = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    lengths[~(np.isfinite(lengths) & (lengths > 0))] = np.nan
    return vectors / lengths[:, None]


def to_bytes(units: Float32Array) -> Int8Array:
    """Pack unit rows as int8, each scaled so that its greatest component is 127: a quarter of the size."""
    peaks = np.abs(units).max(axis=1, keepdims=True, initial=1e-9)
    return np.asarray(np.rint(units / peaks * 127), dtype=np.int8)


def from_bytes(rows: Int8Array) -> Float32Array:
    """Unpack unit rows from the output of ``to_bytes``."""
    return unit_rows(rows.astype(np.float32))


def to_nibbles(units: Float32Array) -> UInt8Array:
    """Pack unit rows in four bits per component, each scaled so that its greatest component is 7; (n, d / 2).

    This takes an eighth of the size. With a hundred components or more, the cosine between a row and its packed form is
    0.99. An odd d is padded with a zero.
    """
    peaks = np.abs(units).max(axis=1, keepdims=True, initial=1e-9)
    steps = np.full((len(units), units.shape[1] + units.shape[1] % 2), 8, dtype=np.uint8)
    steps[:, : units.shape[1]] = np.rint(units / peaks * 7) + 8
    return np.asarray(steps[:, ::2] | steps[:, 1::2] << 4, dtype=np.uint8)


def from_nibbles(packed: UInt8Array) -> Float32Array:
    """Unpack unit rows from the (n, w) output of ``to_nibbles``; (n, 2 w)."""
    steps = np.stack((packed & 15, packed >> 4), axis=2).reshape(len(packed), 2 * packed.shape[1])
    return unit_rows(steps.astype(np.float32) - 8)
