import numpy as np
import pytest

from ranker.errors import InputError
from ranker.papers import paper_columns, text_of


def test_unknown_columns_are_nan() -> None:
    """Columns that are left out are NaN, not zero."""
    papers = paper_columns(["a", "b"], ["A", "B"], np.zeros((2, 3), np.float32))
    assert np.isnan([papers.published_at, papers.first_seen_at, papers.upvotes]).all()


@pytest.mark.parametrize(
    ("ids", "titles", "vectors", "problem"),
    [
        (["a", "a"], ["A", "B"], np.zeros((2, 3), np.float32), "twice"),
        (["a", "b"], ["A", "B"], np.zeros((1, 3), np.float32), "embeddings has 1 rows for 2"),
        (["a", "b"], ["A", "B"], np.zeros((2, 3)), "float32"),
    ],
)
def test_columns_that_do_not_fit(ids: list[str], titles: list[str], vectors: np.ndarray, problem: str) -> None:
    """Columns of different lengths, wrong types and repeated ids are refused with the name of the column."""
    with pytest.raises(InputError, match=problem):
        paper_columns(ids, titles, vectors)


def test_text_is_title_and_abstract() -> None:
    """The text of a paper is its title and, on the next line, its abstract if there is one."""
    assert text_of(" A ", " b ") == "A\nb"
    assert text_of("A", " ") == "A"
