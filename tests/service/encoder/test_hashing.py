"""The encoder without weights."""

import subprocess
import sys

import numpy as np
import pytest

from service.domain.errors import DeadlineTooShort
from service.encoder.hashing import HashingEncoder

PROGRAM = """
import sys
from service.encoder.hashing import HashingEncoder
sys.stdout.buffer.write(HashingEncoder().encode(["Graph neural networks", "protein folding", ""]).tobytes())
"""


def test_equal_bytes_in_every_process() -> None:
    """Two processes with different hash seeds return the same bytes."""
    outputs = [
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True).stdout for _ in range(2)
    ]

    here = HashingEncoder().encode(["Graph neural networks", "protein folding", ""]).tobytes()
    assert outputs == [here, here]


def test_a_text_has_one_vector_in_every_batch() -> None:
    """A vector does not depend on the other texts of the call."""
    encoder = HashingEncoder()
    texts = [f"attention over {i} tokens" for i in range(50)]

    together = encoder.encode(texts)

    assert np.array_equal(together, np.concatenate([encoder.encode([text]) for text in texts]))


@pytest.mark.parametrize("text", ["", "   ", "the of and", "!?", "\ud800", "word " * 5000, "深度学习", "x\x00y"])
def test_every_text_has_a_direction(text: str) -> None:
    """Unusual texts also get a finite float32 vector of unit length."""
    (vector,) = HashingEncoder().encode([text])

    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)


def test_shared_words_bring_texts_closer() -> None:
    """Texts with words in common are more similar than texts without; case and stop words do not count."""
    query, near, far, same = HashingEncoder().encode(
        ["graph neural networks", "deep graph networks", "protein folding dynamics", "The Graph of Neural Networks"]
    )

    assert query @ near > 0.3
    assert abs(query @ far) < 0.3
    assert query @ same == pytest.approx(1.0, abs=1e-6)


def test_no_texts_give_an_empty_matrix() -> None:
    """No texts give shape (0, 384)."""
    assert HashingEncoder().encode([]).shape == (0, 384)


def test_the_deadline_holds() -> None:
    """A call without time left raises DeadlineTooShort."""
    with pytest.raises(DeadlineTooShort):
        HashingEncoder().encode(["text"], timeout_seconds=0)
