import numpy as np
import pytest

from ranker.spaces import sparse
from ranker.spaces.sparse import SparseRows, telling_terms
from testing.ranker import assert_close, columns, spaces

LIKES = spaces().matrix(columns(12, seed=1, prefix="l")).tfidf
CANDIDATES = spaces().matrix(columns(30)).tfidf


def dense(rows: SparseRows) -> np.ndarray:
    """The rows with all their zeros."""
    return np.asarray(rows.matrix.toarray(), dtype=np.float64)


def test_gram_by_hand() -> None:
    """The dot products of rows with one another equal those of the whole rows, also without rows or entries."""
    assert LIKES is not None
    for rows in (LIKES, CANDIDATES, spaces().matrix(columns(101)).tfidf):
        assert rows is not None
        assert_close(rows.gram(), dense(rows) @ dense(rows).T)
    assert LIKES.take(np.arange(0)).gram().shape == (0, 0)
    empty = SparseRows(np.zeros(3, np.int32), np.empty(0, np.int32), np.empty(0, np.float32), 9)
    assert empty.gram().tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("cells", [1, 70, 2**18])
def test_products_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    """Rows that are multiplied one by one, in blocks, or all at once give the same products."""
    assert LIKES is not None
    assert CANDIDATES is not None
    monkeypatch.setattr(sparse, "_BLOCK_CELLS", cells)

    found = LIKES.dot(CANDIDATES)
    assert_close(found, dense(LIKES) @ dense(CANDIDATES).T)
    assert found.flags.c_contiguous


def test_telling_terms_by_hand() -> None:
    """A term of many candidates weighs less, and a term of few keeps its weight."""
    assert CANDIDATES is not None
    rows = dense(CANDIDATES)
    shares = np.maximum((rows > 0).sum(axis=0), 1) / (30 + 20)
    assert_close(dense(telling_terms(CANDIDATES)), rows * np.minimum(np.log(shares) / np.log(0.1), 1))


def test_products_of_nothing() -> None:
    """Without rows there are no products; without common words they are 0."""
    assert LIKES is not None
    assert CANDIDATES is not None
    nothing = np.arange(0)
    assert LIKES.take(nothing).dot(telling_terms(CANDIDATES)).shape == (0, 30)
    assert LIKES.dot(telling_terms(CANDIDATES.take(nothing))).shape == (12, 0)
    other = spaces().matrix(columns(1)).tfidf
    assert other is not None
    strange = SparseRows(other.starts, np.arange(other.starts[-1], dtype=np.int32), other.values, other.width)
    assert not strange.dot(telling_terms(CANDIDATES)).any()
