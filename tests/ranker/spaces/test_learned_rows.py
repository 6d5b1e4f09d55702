"""The values of a paper that come from the factor map, the background and the co-likes of a bundle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.spaces.background import NEAREST_SHARE
from ranker.spaces.colikes import NEIGHBOURS, CoLikes, text_keys
from ranker.spaces.linear import unit_rows
from ranker.spaces.spaces import PaperMatrix, stack_matrices
from ranker.types import Float32Array
from testing.ranker import LEARNED, assert_close, columns, pending, spaces

SPACES = spaces()
PAPERS = pending(columns(70), [4, 33])


def rows_of(matrix: PaperMatrix) -> list[Float32Array]:
    """The learned values of each paper."""
    return [getattr(matrix, name) for name in LEARNED]


def whole() -> PaperMatrix:
    """All papers at once, in spaces without cached user factors."""
    return spaces().matrix(PAPERS)


WHOLE = [part.copy() for part in rows_of(whole())]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 69), min_size=1, max_size=60, unique=True))
def test_rows_are_independent_of_neighbours(rows: list[int]) -> None:
    """The learned values of a paper do not depend on the other papers of its matrix."""
    alone = spaces().matrix(PAPERS.take(rows))
    for found, expected in zip(rows_of(alone), WHOLE, strict=True):
        assert_close(found, expected[rows])


def test_taken_and_joined_rows() -> None:
    """Rows taken from a completed matrix, or joined from matrices of one paper, equal those of the whole."""
    taken = whole().completed().take([9, 4, 60])
    joined = stack_matrices([SPACES.matrix(PAPERS.take([row])) for row in (9, 4, 60)])
    for matrix in (taken, joined):
        for found, expected in zip(rows_of(matrix), WHOLE, strict=True):
            assert_close(found, expected[[9, 4, 60]])


def test_pending_papers_have_none() -> None:
    """Without a vector a paper has no factors, but its words have a density."""
    factors, words, density, users = WHOLE
    assert np.flatnonzero(np.isnan(factors).all(axis=1)).tolist() == [4, 33]
    assert np.flatnonzero(np.isnan(density)).tolist() == [4, 33]
    assert np.flatnonzero(np.isnan(users).all(axis=1)).tolist() == [4, 33]
    assert np.isfinite(words).all()


def test_factors_by_hand() -> None:
    """The factors of a paper are the sum of its mapped vector and words, scaled to unit length."""
    matrix, known = whole(), SPACES.factor_map
    assert known is not None
    assert matrix.whitened is not None
    assert matrix.tfidf is not None
    from_words = matrix.tfidf.matrix.toarray()[:, known.buckets] @ known.term_map
    expected = matrix.whitened.astype(np.float64) @ known.vector_map + from_words
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(matrix.factors, expected, atol=1e-5, equal_nan=True)


def test_densities_by_hand() -> None:
    """A density is the mean cosine to the nearest share of the papers of the background."""
    background, matrix = SPACES.background, whole()
    assert background is not None
    assert background.factors is not None
    assert matrix.tfidf is not None
    assert matrix.factors is not None
    count = round(len(background) * NEAREST_SHARE)
    by_words = matrix.tfidf.matrix.toarray() @ background.tfidf.matrix.toarray().T
    by_factors = np.nan_to_num(matrix.factors) @ background.factors.T
    for found, cosines in ((matrix.word_density, by_words), (matrix.factor_density, by_factors)):
        known = np.isfinite(found)
        expected = -np.sort(-cosines, axis=1)[:, :count].mean(axis=1)
        assert np.allclose(found[known], expected[known], atol=1e-5)


def test_known_papers_take_their_own_users() -> None:
    """A paper whose text the bundle knows gets its stored user factors, whatever its id and vector."""
    known = SPACES.co_likes
    assert known is not None
    papers = columns(60, seed=11, prefix="renamed")
    matrix = SPACES.matrix(papers)
    expected = known.users[np.searchsorted(known.keys, text_keys(papers.texts))]
    assert np.array_equal(matrix.user_factors, expected)


def test_new_papers_take_the_mean_of_their_neighbours() -> None:
    """A paper that the bundle does not know gets the mean of its nearest papers, weighted by similarity."""
    rng = np.random.default_rng(0)
    content, users = (unit_rows(rng.standard_normal((200, width)).astype(np.float32)) for width in (6, 5))
    known = CoLikes(np.arange(200, dtype=np.uint64), content, users)
    new = unit_rows(rng.standard_normal((3, 6)).astype(np.float32))
    cosines = new.astype(np.float64) @ content.T
    for found, row in zip(known.placed(["a", "b", "c"], new), cosines, strict=True):
        nearest = np.argsort(-row)[:NEIGHBOURS]
        expected = np.maximum(row[nearest], 1e-6) ** 4 @ users[nearest]
        assert np.allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


def test_no_map_no_factors() -> None:
    """Spaces without a factor map give no factors, NaN densities and user factors without columns."""
    matrix = type(SPACES)(SPACES.whitening_mean, SPACES.whitening_matrix, SPACES.idf, 12.0).matrix(PAPERS)
    assert matrix.factors is None
    assert np.isnan(matrix.factor_density).all()
    assert np.isnan(matrix.word_density).all()
    assert matrix.user_factors.shape == (70, 0)


@pytest.mark.parametrize("count", [1, 2, NEIGHBOURS, NEIGHBOURS + 1])
def test_any_number_of_known_papers(count: int) -> None:
    """If a bundle knows fewer papers than the number of neighbours, all of them are neighbours."""
    rng = np.random.default_rng(1)
    content, users = (unit_rows(rng.standard_normal((count, width)).astype(np.float32)) for width in (6, 5))
    found = CoLikes(np.arange(count, dtype=np.uint64), content, users).placed(["x"], content[:1])
    assert np.isclose(np.linalg.norm(found), 1, atol=1e-5)
