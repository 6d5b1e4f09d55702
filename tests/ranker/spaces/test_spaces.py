from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.errors import InputError
from ranker.features import compute_matrix
from ranker.profile.profile import build_profile
from ranker.spaces.spaces import (
    MAX_IDF,
    NEAREST_SHARE,
    WHITENING_DAMPING,
    PaperMatrix,
    Spaces,
    plain_matrix,
    stack_matrices,
)
from ranker.spaces.sparse import SparseRows
from ranker.spaces.statistics import PRIOR_PAPERS, count_corpus, count_terms
from ranker.spaces.terms import hashed_terms
from testing.ranker import NOW, assert_close, columns, pending, spaces, statistics

PAPERS = pending(columns(130, dim=384), [3, 60])
SPACES = spaces(384)
WHOLE = SPACES.matrix(PAPERS)
ROWS = ("units", "whitened", "factors")
SMALL = spaces()
MANY = replace(statistics(columns(500, seed=3)), paper_count=10**9, vector_count=10**9)
"""Statistics that leave nothing of a prior."""


def assert_same(left: PaperMatrix, right: PaperMatrix) -> None:
    """The matrices hold the same papers with the same values, up to rounding."""
    assert left.columns.paper_ids == right.columns.paper_ids
    for name in ROWS:
        assert_close(getattr(left, name), getattr(right, name))
    ours, theirs = sparse(left), sparse(right)
    assert np.array_equal(ours.starts, theirs.starts)
    assert np.array_equal(ours.columns, theirs.columns)
    assert_close(ours.values, theirs.values)


def sparse(matrix: PaperMatrix) -> SparseRows:
    """The TF-IDF rows of a matrix in the spaces of a bundle."""
    assert matrix.tfidf is not None
    return matrix.tfidf


def idf_of(found: Spaces, word: str) -> float:
    """The weight of a word."""
    return float(found.idf[hashed_terms(word)[0][0]])


@settings(max_examples=40)
@given(st.lists(st.integers(0, 129), min_size=1, max_size=100, unique=True))
def test_row_independence(rows: list[int]) -> None:
    """The row of a paper does not depend on the other papers of its matrix or on its position."""
    assert_same(SPACES.matrix(PAPERS.take(rows)), WHOLE.take(rows))


def test_stacked_parts_equal_the_whole() -> None:
    """Joined matrices of one paper each equal one matrix of all papers."""
    assert_same(stack_matrices([SPACES.matrix(PAPERS.take([i])) for i in range(60)]), WHOLE.take(range(60)))


@pytest.mark.parametrize("found", [SPACES, SPACES.adapted(statistics(columns(2_000, seed=4, dim=384)))])
def test_unit_lengths(found: Spaces) -> None:
    """Known rows have length 1 in all spaces, and pending rows are NaN in all but that of words."""
    matrix = found.matrix(PAPERS)
    for rows in (matrix.units, matrix.whitened, matrix.factors):
        assert rows is not None
        lengths = np.linalg.norm(rows, axis=1)
        assert np.flatnonzero(np.isnan(lengths)).tolist() == [3, 60]
        assert np.allclose(np.delete(lengths, [3, 60]), 1, atol=1e-6)
    words = sparse(matrix).matrix
    assert np.allclose(words.multiply(words).sum(axis=1), 1, atol=1e-5)
    assert np.flatnonzero(~matrix.has_vector).tolist() == [3, 60]


def test_no_papers() -> None:
    """An empty digest gives an empty matrix."""
    empty = SPACES.matrix(PAPERS.take([]))
    assert len(empty) == 0
    assert empty.units.shape == (0, 384)
    assert empty.word_crowding.shape == (0,)


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


def test_words_by_hand() -> None:
    """A word weighs its idf, more if it is repeated, and the row has length 1."""
    papers = replace(columns(1), texts=("graph kernel graph",))
    found = sparse(SMALL.matrix(papers))
    buckets, counts = hashed_terms("graph kernel graph")

    expected = (1 + 0.3 * np.log(counts)) * SMALL.idf[buckets]
    assert found.columns.tolist() == buckets.tolist()
    assert_close(found.values, expected / np.linalg.norm(expected))


def test_texts_without_words() -> None:
    """A text without words has an empty row, and a text of words that every paper has a row of zeros."""
    common = count_corpus(count_terms(["graph"] * 10), np.empty((0, 16), dtype=np.float32))
    matrix = Spaces(common).matrix(replace(columns(3), texts=("the of", "graph", "kernel")))

    assert sparse(matrix).row_sizes.tolist() == [0, 1, 1]
    assert sparse(matrix).values.tolist() == pytest.approx([0, 1], abs=1e-6)
    assert matrix.wordless is not None
    assert matrix.wordless.tolist() == [True, False, False]
    assert np.isfinite(matrix.word_crowding).all()


def test_crowding_by_hand() -> None:
    """The crowding is the mean cosine to the nearest share of the background, standardised over the papers."""
    papers = SMALL.matrix(columns(70))
    cosines = sparse(papers).matrix.toarray() @ SMALL.background.matrix.toarray().T
    nearest = -np.sort(-cosines, axis=1)[:, : round(len(SMALL.background) * NEAREST_SHARE)]
    means = nearest.mean(axis=1)

    assert np.allclose(papers.word_crowding, (means - means.mean()) / means.std(), atol=1e-4)
    assert not plain_matrix(columns(3)).word_crowding.any()


def test_an_empty_catalog_changes_nothing() -> None:
    """Spaces that are adapted to no catalog, or to an empty one, place papers as those of the bundle do."""
    papers = columns(20)
    for catalog in (None, count_corpus(count_terms([]), np.empty((0, 16), dtype=np.float32))):
        found = SMALL.adapted(catalog)
        assert np.array_equal(found.idf, SMALL.idf)
        assert_same(found.matrix(papers), SMALL.matrix(papers))


def test_words_weigh_what_they_weigh_in_the_catalog() -> None:
    """In a large catalog the idf is the logarithm of one over the word's share there, at most ``MAX_IDF``."""
    found = SMALL.adapted(MANY)
    shares = np.maximum(MANY.term_shares.astype(np.float64), np.exp(-MAX_IDF))

    assert np.allclose(found.idf, -np.log(shares), atol=1e-3)
    assert idf_of(found, "protein") < idf_of(found, "unheardof") == pytest.approx(MAX_IDF)


def test_a_growing_catalog_takes_over() -> None:
    """A word that only the bundle's data have becomes rarer as the catalog grows."""
    other = count_corpus(count_terms(["unheardof"]), np.empty((0, 16), dtype=np.float32))
    weights = [
        idf_of(SMALL.adapted(replace(other, paper_count=count)), "protein")
        for count in (1, PRIOR_PAPERS, 10 * PRIOR_PAPERS)
    ]
    assert idf_of(SMALL, "protein") < weights[0] < weights[1] < weights[2]


def test_whitening_fits_the_catalog() -> None:
    """In a large catalog the whitening is the inverse root of its damped covariance, around its mean."""
    found = SMALL.adapted(MANY)
    covariance = MANY.covariance
    damped = covariance + WHITENING_DAMPING * covariance.trace() / 16 * np.eye(16)
    assert np.allclose(found.whitening_matrix @ damped @ found.whitening_matrix, np.eye(16), atol=1e-3)

    papers = columns(20)
    rows = plain_matrix(papers).units.astype(np.float64)
    expected = (rows - MANY.vector_mean) @ found.whitening_matrix
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(found.matrix(papers).whitened, expected, atol=1e-4)


def test_adapting_again_replaces_the_catalog() -> None:
    """Statistics of one catalog leave nothing behind in the spaces for the next."""
    papers = columns(20)
    once = SMALL.adapted(MANY)
    assert_same(SMALL.adapted(statistics(columns(400, seed=8))).adapted(MANY).matrix(papers), once.matrix(papers))
    assert_same(once.adapted(None).matrix(papers), SMALL.matrix(papers))


def test_a_catalog_without_vectors() -> None:
    """If no paper of the catalog has a vector yet, words are weighed by the catalog and vectors as in the bundle."""
    bare = replace(count_corpus(count_terms(["unheardof"]), np.empty((0, 16), dtype=np.float32)), paper_count=10**6)
    found = SMALL.adapted(bare)

    assert idf_of(found, "unheardof") < 0.1
    assert_close(found.whitening_matrix, SMALL.whitening_matrix)


def test_a_catalog_of_another_encoder_is_refused() -> None:
    """Statistics of vectors of another length are refused when the spaces are adapted, not at the first request."""
    with pytest.raises(InputError, match="length 8"):
        SMALL.adapted(statistics(columns(3, dim=8)))


def test_features_in_adapted_spaces() -> None:
    """Likes and candidates that are placed in adapted spaces give finite features, apart from pending vectors."""
    found = SMALL.adapted(statistics(columns(3_000, seed=5)))
    likes, candidates = found.matrix(columns(5, seed=1, prefix="l")), found.matrix(pending(columns(30), [2]))
    features = compute_matrix(build_profile(likes), candidates, NOW)
    known = np.isfinite(compute_matrix(build_profile(SMALL.matrix(likes.columns)), candidates, NOW))

    assert np.array_equal(np.isfinite(features), known)
