import subprocess
import sys

import numpy as np

from ranker.spaces.terms import BUCKET_COUNT, hashed_terms


def test_same_in_every_process() -> None:
    """Buckets do not depend on the interpreter's random hash seed."""
    code = "from ranker.spaces.terms import hashed_terms; print(hashed_terms('Graph neural networks')[0].tolist())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == str(hashed_terms("Graph neural networks")[0].tolist())


def test_words_and_pairs() -> None:
    """Three words give three words, two pairs and a stem; case, plural and stop words change nothing."""
    buckets, counts = hashed_terms("graph neural network")
    assert len(buckets) == counts.sum() == 6
    assert np.array_equal(buckets, hashed_terms("The GRAPH of neural networks")[0])
    assert (np.diff(buckets) > 0).all()
    assert buckets.max() < BUCKET_COUNT


def test_order_matters_to_pairs_only() -> None:
    """Two words in the other order give the same word buckets and another pair bucket."""
    assert len(np.intersect1d(hashed_terms("code search")[0], hashed_terms("search code")[0])) == 2


def test_forms_of_a_word() -> None:
    """Forms of a word of more than six letters share the term of their first six letters, and no other term."""
    forms = ("quantize", "quantized", "quantization", "Quantizing")
    (shared,) = set.intersection(*(set(hashed_terms(form)[0].tolist()) for form in forms))
    assert shared in hashed_terms("quantities")[0]
    assert shared not in hashed_terms("quanti quantum")[0]


def test_no_words() -> None:
    """A text without words, or of stop words only, has no terms."""
    for text in ("", "the of between", "!?"):
        assert len(hashed_terms(text)[0]) == 0
