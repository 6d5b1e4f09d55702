import numpy as np
import pytest

from ranker.spaces.linear import from_bytes, from_nibbles, to_bytes, to_nibbles, unit_rows
from ranker.types import Float32Array


def rows(width: int, count: int = 50) -> Float32Array:
    """Random unit rows."""
    return unit_rows(np.random.default_rng(0).standard_normal((count, width)).astype(np.float32))


def test_bytes_keep_directions() -> None:
    """Rows packed in eight bits per component keep their directions with a cosine above 0.9999."""
    assert (np.einsum("ij,ij->i", rows(64), from_bytes(to_bytes(rows(64)))) > 0.9999).all()


def test_nibbles_keep_directions() -> None:
    """Rows packed in four bits per component keep their directions with a cosine above 0.98, in an eighth the size."""
    packed = to_nibbles(rows(256))
    assert (packed.shape, packed.dtype) == ((50, 128), np.uint8)
    assert (np.einsum("ij,ij->i", rows(256), from_nibbles(packed)) > 0.98).all()


@pytest.mark.parametrize("width", [1, 5, 8])
def test_packing_again_changes_nothing(width: int) -> None:
    """Packing rows that were packed before changes nothing; an odd width is padded with a zero."""
    once = from_nibbles(to_nibbles(rows(width)))
    assert once.shape == (50, width + width % 2)
    assert not once[:, width:].any()
    assert np.array_equal(to_nibbles(once), to_nibbles(rows(width)))


def test_nothing_to_pack() -> None:
    """Arrays without rows or without columns can be packed and unpacked."""
    assert from_nibbles(to_nibbles(np.empty((0, 6), np.float32))).shape == (0, 6)
    assert from_nibbles(to_nibbles(np.empty((0, 0), np.float32))).shape == (0, 0)
