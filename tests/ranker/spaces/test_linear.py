import numpy as np
import pytest

from ranker.spaces.linear import from_bytes, from_nibbles, to_bytes, to_nibbles, unit_rows
from ranker.types import Float32Array


def rows(width: int, count: int = 50) -> Float32Array:
    """Unit rows drawn at random."""
    return unit_rows(np.random.default_rng(0).standard_normal((count, width)).astype(np.float32))


def test_bytes_keep_directions() -> None:
    """Rows come back from eight bits a component almost as they were."""
    assert (np.einsum("ij,ij->i", rows(64), from_bytes(to_bytes(rows(64)))) > 0.9999).all()


def test_nibbles_keep_directions() -> None:
    """Rows of some hundred components come back from four bits a component nearly as they were, in an eighth."""
    packed = to_nibbles(rows(256))
    assert (packed.shape, packed.dtype) == ((50, 128), np.uint8)
    assert (np.einsum("ij,ij->i", rows(256), from_nibbles(packed)) > 0.98).all()


@pytest.mark.parametrize("width", [1, 5, 8])
def test_packing_again_changes_nothing(width: int) -> None:
    """What was rounded once is written with the same bits again; an odd width is filled up with a zero."""
    once = from_nibbles(to_nibbles(rows(width)))
    assert once.shape == (50, width + width % 2)
    assert not once[:, width:].any()
    assert from_nibbles(to_nibbles(once)).tobytes() == once.tobytes()


def test_nothing_to_pack() -> None:
    """No rows and no columns are packed to nothing."""
    assert from_nibbles(to_nibbles(np.empty((0, 6), np.float32))).shape == (0, 6)
    assert from_nibbles(to_nibbles(np.empty((0, 0), np.float32))).shape == (0, 0)
