import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.errors import InputError
from ranker.spaces.spaces import PaperMatrix, plain_matrix, stack_matrices
from testing.ranker import assert_close, columns, pending, spaces

PAPERS = pending(columns(130, dim=384), [3, 60])
SPACES = spaces(384)
WHOLE = SPACES.matrix(PAPERS)


def assert_same(left: PaperMatrix, right: PaperMatrix) -> None:
    """The matrices hold the same papers with the same values, up to rounding."""
    assert left.columns.paper_ids == right.columns.paper_ids
    assert_close(left.units, right.units)
    assert left.whitened is not None
    assert right.whitened is not None
    assert_close(left.whitened, right.whitened)
    for a, b in ((left.tfidf, right.tfidf), (left.bm25, right.bm25)):
        assert a is not None
        assert b is not None
        assert np.array_equal(a.starts, b.starts)
        assert np.array_equal(a.columns, b.columns)
        assert_close(a.values, b.values)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 129), min_size=1, max_size=100, unique=True))
def test_row_independence(rows: list[int]) -> None:
    """The row of a paper does not depend on the other papers of its matrix or on its position."""
    assert_same(SPACES.matrix(PAPERS.take(rows)), WHOLE.take(rows))


def test_stacked_parts_equal_the_whole() -> None:
    """Joined matrices of one paper each equal one matrix of all papers."""
    assert_same(stack_matrices([SPACES.matrix(PAPERS.take([i])) for i in range(60)]), WHOLE.take(range(60)))


def test_unit_lengths() -> None:
    """Known rows have length 1 in all spaces, and pending rows are NaN."""
    assert WHOLE.whitened is not None
    assert WHOLE.tfidf is not None
    for rows in (WHOLE.units, WHOLE.whitened):
        lengths = np.linalg.norm(rows, axis=1)
        assert np.flatnonzero(np.isnan(lengths)).tolist() == [3, 60]
        assert np.allclose(np.delete(lengths, [3, 60]), 1, atol=1e-6)
    squares = WHOLE.tfidf.matrix.multiply(WHOLE.tfidf.matrix).sum(axis=1)
    assert np.allclose(squares, 1, atol=1e-5)


def test_no_papers() -> None:
    """An empty digest gives an empty matrix."""
    empty = SPACES.matrix(PAPERS.take([]))
    assert len(empty) == 0
    assert empty.units.shape == (0, 384)


def test_wrong_vector_length_is_refused() -> None:
    """Vectors of another length than the bundle's are refused with a message that names both lengths."""
    with pytest.raises(InputError, match="length 384, but have 16"):
        SPACES.matrix(columns(2))


def test_plain_and_bundle_rows_do_not_mix() -> None:
    """A matrix in the spaces of a bundle and one without a bundle cannot be joined."""
    with pytest.raises(InputError, match="same spaces"):
        stack_matrices([WHOLE.take([0]), plain_matrix(PAPERS.take([1]))])


def test_ties_go_by_paper_id() -> None:
    """id_ranks is the position of each id among the sorted ids."""
    matrix = plain_matrix(columns(12))
    assert [matrix.columns.paper_ids[i] for i in np.argsort(matrix.id_ranks)] == sorted(matrix.columns.paper_ids)
