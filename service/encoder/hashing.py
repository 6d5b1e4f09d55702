"""A small encoder without weights for tests and trials. Only texts with common words get similar vectors."""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from service.app.ports import Vectors
from service.domain.errors import DeadlineTooShort

DIM = 384
NO_WORDS = " "  # The direction of texts without words; no text has this feature.
STOP_WORDS = frozenset(
    """a about all also an and any are as at be been between both but by can for from has have how in into is it its
    many may more most new not of on one only or other our over paper results show some such than that the their
    them then there these they this to two under use used using was we were what when where which while who will
    with without""".split()  # noqa: SIM905 -- seventy quoted words would fill a page
)


class HashingEncoder:
    """Sums a fixed pseudo-random direction for each word and each pair of neighbouring words, weighted by count.

    The sums are exact, because all numbers are integers: equal texts give equal bytes on every machine, in every batch.
    """

    name = "hashing-384"

    def encode(self, texts: Sequence[str], *, timeout_seconds: float | None = None) -> Vectors:
        """Return unit vectors of shape (len(texts), 384). All texts without words have the same vector.

        Raises:
            DeadlineTooShort: The time ran out. It is checked between texts.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        vectors = np.empty((len(texts), DIM), np.float32)
        for row, text in enumerate(texts):
            if deadline is not None and time.monotonic() >= deadline:
                raise DeadlineTooShort("embedding")
            vectors[row] = _vector(text)
        return vectors

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """Return vectors as ``encode``. Calls of this encoder do not wait for one another."""
        return self.encode(texts)

    def close(self) -> None:
        """Do nothing, because there is nothing to release."""


def _vector(text: str) -> npt.NDArray[np.float64]:
    words = [word for word in re.findall(r"\w+", text.lower()) if word not in STOP_WORDS]
    counts = Counter(words)
    counts.update(f"{first} {second}" for first, second in pairwise(words))
    total = np.zeros(DIM)
    for feature, count in counts.items():
        total += float(count) * _direction(feature)  # float, because int8 is too small for large counts
    if not total.any():
        total += _direction(NO_WORDS)
    return total / np.linalg.norm(total)


@lru_cache(maxsize=20_000)
def _direction(feature: str) -> npt.NDArray[np.int8]:
    """Return random signs, which are nearly orthogonal for different features (Achlioptas 2003)."""
    digest = hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=DIM // 8).digest()
    signs = np.unpackbits(np.frombuffer(digest, np.uint8)).astype(np.int8) * 2 - 1
    signs.flags.writeable = False
    return signs
