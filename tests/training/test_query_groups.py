import numpy as np
import pytest

from tests.training.builders import MONDAY, WEEK, planted
from training.errors import TrainingError
from training.query_groups import check_contiguous, hidden_queries, weekly_queries, with_fewer_likes
from training.weeks import start_of, week_of

DATED, UNDATED = planted(dated=True), planted(dated=False)


def test_weeks_begin_on_monday() -> None:
    """The week changes at Monday 00:00 UTC and nowhere else."""
    weeks = week_of(MONDAY + np.array([-1.0, 0.0, WEEK - 1, WEEK, np.nan]))
    assert np.diff(weeks[:4]).tolist() == [1, 0, 1]
    assert weeks[4] == -1
    assert start_of(int(weeks[1])) == MONDAY


def test_weekly_queries_see_the_past_only() -> None:
    """Profiles hold likes from before the week's Monday, candidates are of that week, and there is a hit."""
    queries = list(weekly_queries(DATED, min_likes=2))
    assert len(queries) > 50
    for query in queries:
        monday = query.as_of - WEEK
        assert (query.liked_at < monday).all()
        published = DATED.papers.published_at[query.candidates]
        assert ((published >= monday) & (published < query.as_of)).all()
        assert len(query.liked) >= 2
        assert query.relevant.any()
        own = DATED.likes.papers[DATED.likes.of_reader(query.reader)]
        assert np.array_equal(query.relevant, np.isin(query.candidates, own))


def test_hidden_queries() -> None:
    """Each reader is asked once; profile and candidates are apart, and all candidates' labels are right."""
    fold_of = np.arange(len(UNDATED.papers)) % 5
    queries = list(hidden_queries(UNDATED, fold_of, 2, 50, np.random.default_rng(0)))
    assert len({query.reader for query in queries}) == len(queries) > 50
    for query in queries:
        assert len(query.candidates) == len(set(query.candidates.tolist())) == 50
        assert not np.isin(query.liked, query.candidates).any()
        assert (fold_of[query.candidates] == 2).all()
        assert (fold_of[query.liked] != 2).all()
        own = UNDATED.likes.papers[UNDATED.likes.of_reader(query.reader)]
        assert np.array_equal(query.relevant, np.isin(query.candidates, own))
        assert set(own) == set(query.liked) | set(query.candidates[query.relevant])


def test_fewer_likes() -> None:
    """A cut profile is a part of the whole one, with its times."""
    query = next(q for q in weekly_queries(DATED) if len(q.liked) > 5)
    cut = with_fewer_likes(query, 3, np.random.default_rng(0))
    assert len(cut.liked) == len(cut.liked_at) == 3
    assert set(cut.liked) < set(query.liked)
    assert with_fewer_likes(query, 500, np.random.default_rng(0)) is query


def test_contiguity() -> None:
    """Rows of a query must stand together and fill its group."""
    check_contiguous([0, 0, 1], np.array([2, 1], np.int32))
    for ids, sizes in (([0, 1, 0], [2, 1]), ([0, 0, 1], [2, 2]), ([0, 1, 0], [1, 1, 1])):
        with pytest.raises(TrainingError):
            check_contiguous(ids, np.array(sizes, np.int32))
