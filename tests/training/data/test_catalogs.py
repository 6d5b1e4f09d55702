"""The papers of a data set in spaces with the statistics of a catalog."""

from dataclasses import replace

import numpy as np
import pytest

from ranker.spaces.linear import unit_rows
from ranker.spaces.spaces import PaperMatrix
from ranker.spaces.statistics import count_corpus, count_terms
from testing.ranker import factor_map
from testing.training import DATASETS, DIM
from training.data.catalogs import Catalog, DatasetPapers
from training.data.cross_fitting import NO_FOLD
from training.data.snapshot import Dataset
from training.data.weeks import start_of, week_of
from training.spaces.space_fitting import fit_spaces

DATED, UNDATED = DATASETS
WEEK = int(week_of(DATED.papers.published_at).min()) + 20
MAP, FOREIGN_MAP = factor_map(DIM), replace(factor_map(DIM), offset=-factor_map(DIM).offset)
SOME = np.array([3, 0, 17])


def papers_of(dataset: Dataset, *, has_foreign_map: bool = True) -> DatasetPapers:
    """Return the papers with a map for fold 0, and with a prior of the undated data set."""
    foreign_map = FOREIGN_MAP if has_foreign_map else None
    return DatasetPapers(dataset, fit_spaces([UNDATED]), {0: MAP, NO_FOLD: None}, foreign_map)


def check_equal(found: PaperMatrix, expected: PaperMatrix) -> None:
    """Check that two matrices hold the same papers with the same bits in every space."""
    assert found.columns.paper_ids == expected.columns.paper_ids
    assert found.vectors.keys() == expected.vectors.keys()
    assert all(np.array_equal(rows, expected.vectors[space]) for space, rows in found.vectors.items())
    assert found.tfidf is not None
    assert expected.tfidf is not None
    assert np.array_equal(found.tfidf.values, expected.tfidf.values)


def test_a_week_sees_earlier_papers_alone() -> None:
    """The statistics are those of the papers from before the week, as if there were no other papers."""
    found = papers_of(DATED).statistics(Catalog(WEEK, NO_FOLD))

    earlier = DATED.before(start_of(WEEK)).papers
    expected = count_corpus(count_terms(earlier.texts), unit_rows(earlier.embeddings))
    assert 0 < found.paper_count < len(DATED.papers)
    assert found.to_bytes() == expected.to_bytes()


def test_undated_queries_see_all_papers() -> None:
    """Without a week, papers of any time are counted."""
    assert papers_of(UNDATED).statistics(Catalog(-1, 0)).paper_count == len(UNDATED.papers)


def test_the_first_week_sees_the_prior() -> None:
    """Before the first paper there is no catalog, so papers lie in the spaces of the prior."""
    first = int(week_of(DATED.papers.published_at).min())
    found = papers_of(DATED).matrix(SOME, Catalog(first, NO_FOLD))

    expected = fit_spaces([UNDATED]).matrix(DATED.papers.take(SOME.tolist()))
    check_equal(found, expected)


@pytest.mark.parametrize(("size", "counted"), [(0, 0), (50, 50), (10_000, 400), (None, 400)])
def test_sizes(size: int | None, counted: int) -> None:
    """A catalog has the given number of papers, or all papers if there are fewer."""
    assert papers_of(UNDATED).statistics(Catalog(-1, 0, size)).paper_count == counted


def test_draws_are_repeatable() -> None:
    """The same seed draws the same papers, and another seed draws others."""
    first, again, other = (
        papers_of(DATED).statistics(Catalog(WEEK, 0, 50, seed=seed)).to_bytes() for seed in (1, 1, 2)
    )
    assert first == again != other


def test_matrices_lie_in_the_spaces_of_the_catalog() -> None:
    """Rows are those of the spaces with the catalog's statistics and the map of the fold."""
    papers, catalog = papers_of(DATED), Catalog(WEEK, 0, 50, seed=1)
    found = papers.matrix(SOME, catalog)

    spaces = replace(fit_spaces([UNDATED]), factor_map=MAP).adapted(papers.statistics(catalog))
    expected = spaces.matrix(DATED.papers.take(SOME.tolist()))
    assert found.factors is not None
    check_equal(found, expected)


def test_foreign_maps() -> None:
    """A foreign catalog has the map of the other data sets; if there is none, it has the map of the fold."""
    own, foreign, only_own = (
        papers.matrix(SOME, Catalog(WEEK, 0, is_foreign=is_foreign)).factors
        for papers, is_foreign in (
            (papers_of(DATED), False),
            (papers_of(DATED), True),
            (papers_of(DATED, has_foreign_map=False), True),
        )
    )
    assert own is not None
    assert foreign is not None
    assert only_own is not None
    assert not np.allclose(own, foreign)
    assert np.array_equal(own, only_own)
    assert papers_of(DATED).matrix(SOME, Catalog(WEEK, NO_FOLD)).factors is None


def test_titles() -> None:
    """Shown by title, papers have the words and vectors of their titles; without title vectors they stay whole."""
    texts = tuple(f"{title} abstract" for title in DATED.papers.titles)
    whole = replace(DATED, papers=replace(DATED.papers, texts=texts))
    titles = replace(whole, title_embeddings=-whole.papers.embeddings)
    catalog = Catalog(WEEK, NO_FOLD)

    shown = papers_of(titles).matrix(SOME, catalog, titles=True)
    assert shown.columns.texts == tuple(DATED.papers.titles[row] for row in SOME)
    assert np.array_equal(shown.units, -papers_of(titles).matrix(SOME, catalog).units)
    for found in (papers_of(whole).matrix(SOME, catalog, titles=True), papers_of(titles).matrix(SOME, catalog)):
        assert found.columns.texts == tuple(texts[row] for row in SOME)


def test_upvotes_are_hidden() -> None:
    """Upvotes have no time, so no query sees them."""
    voted = replace(DATED, papers=replace(DATED.papers, upvotes=np.ones(len(DATED.papers))))
    assert np.isnan(papers_of(voted).matrix(SOME, Catalog(WEEK, NO_FOLD)).columns.upvotes).all()
