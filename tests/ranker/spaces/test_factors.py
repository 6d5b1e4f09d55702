import numpy as np

from ranker.spaces.spaces import Spaces
from testing.ranker import columns, pending, spaces

SPACES = spaces()
PAPERS = pending(columns(70), [4, 33])


def test_factors_by_hand() -> None:
    """The factors of a paper are the offset and its mapped vector and words, scaled to unit length."""
    matrix, known = SPACES.matrix(PAPERS), SPACES.factor_map
    assert known is not None
    assert matrix.tfidf is not None
    from_words = matrix.tfidf.matrix.toarray()[:, known.buckets] @ known.term_map
    expected = known.offset + matrix.units.astype(np.float64) @ known.vector_map + from_words
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)

    assert np.allclose(matrix.factors, expected, atol=1e-5, equal_nan=True)
    assert np.flatnonzero(np.isnan(matrix.factors).all(axis=1)).tolist() == [4, 33]


def test_no_map_no_factors() -> None:
    """Spaces without a factor map give no factors."""
    matrix = Spaces(SPACES.prior).matrix(PAPERS)
    assert matrix.factors is None
    assert set(matrix.vectors) == {"plain", "whitened"}
