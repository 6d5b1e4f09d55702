from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.errors import InputError
from ranker.spaces.linear import unit_rows
from ranker.spaces.sparse import SparseRows
from ranker.spaces.statistics import (
    PRIOR_PAPERS,
    SAMPLE_SIZE,
    CorpusStatistics,
    StatisticsCounter,
    blended,
    count_corpus,
    count_terms,
    with_prior,
)
from ranker.spaces.terms import BUCKET_COUNT, term_counts
from ranker.types import Float32Array
from testing.ranker import assert_close, columns, pending, statistics

PAPERS = pending(columns(60), [4, 33])
UNITS = unit_rows(PAPERS.embeddings)
WHOLE = count_corpus(count_terms(PAPERS.texts), UNITS)
OTHER = statistics(columns(40, seed=3))
EMPTY = count_corpus(count_terms([]), np.empty((0, 16), dtype=np.float32))
DATA = WHOLE.to_bytes()


def assert_same(found: CorpusStatistics, expected: CorpusStatistics) -> None:
    """The statistics agree up to rounding, and their samples hold the same texts."""
    assert (found.paper_count, found.vector_count) == (expected.paper_count, expected.vector_count)
    assert found.average_length == pytest.approx(expected.average_length)
    for name in ("term_shares", "vector_mean", "vector_products"):
        assert_close(getattr(found, name), getattr(expected, name))
    for name in ("starts", "columns", "values"):
        assert np.array_equal(getattr(found.sample, name), getattr(expected.sample, name))


def share_of(found: CorpusStatistics, word: str) -> float:
    """The share of the papers that have this word."""
    return float(found.term_shares[term_counts(word)[0][0]])


def test_by_hand() -> None:
    """Shares, lengths and moments of two papers, one of them with a pending vector, are those computed by hand."""
    units = np.array([[0.6, 0.8], [np.nan, np.nan]], dtype=np.float32)
    found = count_corpus(count_terms(["graph graph kernel", "graph"]), units)

    assert (found.paper_count, found.vector_count) == (2, 1)
    assert (share_of(found, "graph"), share_of(found, "kernel"), share_of(found, "protein")) == (1, 0.5, 0)
    # Three words and two pairs of neighbours in the first text, one word in the second.
    assert found.average_length == 3
    assert np.allclose(found.vector_mean, [0.6, 0.8])
    assert np.allclose(found.vector_products, [[0.36, 0.48], [0.48, 0.64]])
    assert np.allclose(found.covariance, 0, atol=1e-7)
    assert found.sample.row_sizes.tolist() == [4, 1]
    assert sorted(found.sample.values.tolist()) == [1, 1, 1, 1, 2]


@given(st.lists(st.integers(0, 60), max_size=6))
def test_parts_equal_the_whole(cuts: list[int]) -> None:
    """Papers that are counted part by part give the statistics of all papers at once."""
    counter = StatisticsCounter(16, len(PAPERS))
    bounds = [0, *sorted(cuts), len(PAPERS)]
    for start, stop in pairwise(bounds):
        counter.add(PAPERS.texts[start:stop], UNITS[start:stop])

    assert_same(counter.finish(), WHOLE)


@pytest.mark.parametrize("count", [1, SAMPLE_SIZE, SAMPLE_SIZE + 1, 4_000])
def test_the_sample_is_small_and_evenly_spread(count: int) -> None:
    """The sample holds at most ``SAMPLE_SIZE`` texts, from the first to the last, at about equal distances."""
    texts = [f"w{number}" for number in range(count)]
    found = count_corpus(count_terms(texts), np.empty((0, 4), dtype=np.float32)).sample
    assert len(found) == min(count, SAMPLE_SIZE)

    places: list[int] = []
    for bucket in found.columns.tolist():
        start = places[-1] + 1 if places else 0
        places.append(next(place for place in range(start, count) if term_counts(texts[place])[0][0] == bucket))
    assert (places[0], places[-1]) == (0, count - 1)
    assert max(np.diff(places), default=1) <= -(-count // SAMPLE_SIZE)


def test_blended_is_the_weighted_mean() -> None:
    """Shares, lengths and moments are weighted means, and the sample takes papers of each part by its weight."""
    found = blended([WHOLE, OTHER], [3, 1])

    assert (found.paper_count, found.vector_count) == (100, 98)
    assert found.average_length == pytest.approx(0.75 * WHOLE.average_length + 0.25 * OTHER.average_length)
    for name in ("term_shares", "vector_mean", "vector_products"):
        assert_close(getattr(found, name), 0.75 * getattr(WHOLE, name) + 0.25 * getattr(OTHER, name))
    assert len(found.sample) == len(WHOLE.sample) + len(OTHER.sample)


def test_blended_samples_stay_small() -> None:
    """Samples that are too large together are thinned, in proportion to the weights."""
    one, other = (
        count_corpus(count_terms([word] * SAMPLE_SIZE), np.empty((0, 4), dtype=np.float32))
        for word in ("graph", "kernel")
    )
    found = blended([one, other], [2, 1])

    assert len(found.sample) == SAMPLE_SIZE
    of_first = (found.sample.columns == term_counts("graph")[0][0]).sum()
    assert of_first == pytest.approx(SAMPLE_SIZE * 2 / 3, abs=1)


def test_parts_without_vectors_do_not_blend_their_vectors() -> None:
    """The mean vector of a part without vectors, which is unknown, does not count."""
    bare = count_corpus(count_terms(PAPERS.texts), UNITS[:0])
    found = blended([WHOLE, bare], [1, 3])

    assert_close(found.vector_mean, WHOLE.vector_mean)
    assert_close(found.vector_products, WHOLE.vector_products)
    assert blended([bare, bare], [1, 1]).vector_count == 0


def test_without_a_catalog_the_prior_is_in_use() -> None:
    """No catalog, and an empty one, give the prior unchanged."""
    assert with_prior(WHOLE, None) is WHOLE
    assert with_prior(WHOLE, EMPTY) is WHOLE


@pytest.mark.parametrize("papers", [1, PRIOR_PAPERS, 100_000])
def test_the_prior_counts_as_some_papers(papers: int) -> None:
    """Beside a catalog the prior counts as ``PRIOR_PAPERS`` papers, whatever number it was counted over."""
    word = "kernel"
    catalog = CorpusStatistics(**{**vars(OTHER), "paper_count": papers})
    share = PRIOR_PAPERS / (PRIOR_PAPERS + papers)
    expected = share * share_of(WHOLE, word) + (1 - share) * share_of(OTHER, word)

    assert share_of(with_prior(WHOLE, catalog), word) == pytest.approx(expected, rel=1e-5)


def test_vectors_of_another_length_are_refused() -> None:
    """A catalog of another encoder is refused with both lengths."""
    with pytest.raises(InputError, match="length 8 in the catalog, 16 before"):
        with_prior(WHOLE, statistics(columns(3, dim=8)))


@pytest.mark.parametrize("found", [WHOLE, EMPTY, count_corpus(count_terms(["", "the of"]), UNITS[4:5])])
def test_bytes_come_back(found: CorpusStatistics) -> None:
    """Statistics come back from bytes unchanged, also without papers, words or vectors; equal ones give equal bytes."""
    again = CorpusStatistics.of_bytes(found.to_bytes())

    assert_same(again, found)
    assert again.to_bytes() == found.to_bytes()
    assert np.array_equal(again.vector_products, again.vector_products.T)


@settings(max_examples=200)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_changed_byte(place: float, flip: int) -> None:
    """Bytes of which one was changed are refused, or give the same statistics; there is no other error."""
    index = int(place * len(DATA))
    damaged = DATA[:index] + bytes([DATA[index] ^ flip]) + DATA[index + 1 :]
    try:
        found = CorpusStatistics.of_bytes(damaged)
    except InputError as error:
        assert "not corpus statistics" in str(error)  # noqa: PT017 (most changes are refused, not all)
    else:
        assert_same(found, WHOLE)


@pytest.mark.parametrize("data", [b"", b"x", DATA[:-1], DATA[: len(DATA) // 2], DATA[1:], b"\x93NUMPY\x01\x00"])
def test_other_bytes_are_refused(data: bytes) -> None:
    """Bytes that are cut off or of another kind are refused."""
    with pytest.raises(InputError, match="not corpus statistics"):
        CorpusStatistics.of_bytes(data)


def wrong_sample(buckets: list[int], counts: list[float], stops: list[int]) -> SparseRows:
    """Rows of a sample as they are given, sound or not."""
    return SparseRows(
        np.array([0, *stops], dtype=np.int32),
        np.array(buckets, dtype=np.int32),
        np.array(counts, dtype=np.float32),
        BUCKET_COUNT,
    )


NOT_FINITE: Float32Array = np.full(16, np.nan, dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("term_shares", WHOLE.term_shares[:-1]),
        ("term_shares", WHOLE.term_shares * 2 + 1),
        ("term_shares", WHOLE.term_shares.astype(np.float64)),
        ("term_shares", np.full_like(WHOLE.term_shares, np.nan)),
        ("paper_count", -1),
        ("vector_count", -1),
        ("average_length", 0.0),
        ("average_length", float("inf")),
        ("vector_mean", NOT_FINITE),
        ("vector_products", np.outer(NOT_FINITE, NOT_FINITE)),
        ("sample", wrong_sample([1], [1.0], [2])),
        ("sample", wrong_sample([1, 2], [1.0], [2])),
        ("sample", wrong_sample([BUCKET_COUNT], [1.0], [1])),
        ("sample", wrong_sample([-1], [1.0], [1])),
        ("sample", wrong_sample([1], [0.0], [1])),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: object) -> None:
    """Shapes, types and ranges are checked, and the message names what is wrong."""
    problem = {"paper_count": "counts", "vector_count": "counts"}.get(name, name)
    with pytest.raises(ValueError, match=problem):
        CorpusStatistics(**{**vars(WHOLE), name: value}).check()
