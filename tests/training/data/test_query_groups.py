from dataclasses import replace

import numpy as np
import pytest

from testing.training import MONDAY, WEEK, planted
from training.data.query_groups import check_contiguous, hidden_queries, weekly_queries, with_fewer_likes
from training.data.snapshot import CLICKED, LIKED, SAVED, Dataset, Likes
from training.data.weeks import start_of, week_of
from training.errors import TrainingError

DATED, UNDATED = planted(dated=True), planted(dated=False)


def test_weeks_begin_on_monday() -> None:
    """The week changes at Monday 00:00 UTC and nowhere else."""
    weeks = week_of(MONDAY + np.array([-1.0, 0.0, WEEK - 1, WEEK, np.nan]))
    assert np.diff(weeks[:4]).tolist() == [1, 0, 1]
    assert weeks[4] == -1
    assert start_of(int(weeks[1])) == MONDAY


def test_weekly_queries_see_the_past_only() -> None:
    """Profiles hold likes from before the week's Monday; candidates are of that week, and one is relevant."""
    queries = list(weekly_queries(DATED))
    assert len(queries) > 50
    for query in queries:
        monday = query.as_of - WEEK
        assert (query.liked_at < monday).all()
        published = DATED.papers.published_at[query.candidates]
        assert ((published >= monday) & (published < query.as_of)).all()
        assert len(query.liked) >= 1
        assert query.relevant.any()
        own = DATED.likes.papers[DATED.likes.of_user(query.user)]
        assert np.array_equal(query.relevant, np.isin(query.candidates, own))


def test_left_out_queries_see_all_other_weeks() -> None:
    """The profile holds the likes of all other weeks, without times; candidates and labels are those of the week."""
    earlier = {(query.user, query.week): query for query in weekly_queries(DATED)}
    queries = list(weekly_queries(DATED, left_out=True))

    assert len(queries) > len(earlier)
    for query in queries:
        likes = DATED.likes.of_user(query.user)
        weeks = week_of(DATED.likes.liked_at[likes])
        assert set(query.liked) == set(DATED.likes.papers[likes][weeks != query.week])
        assert not np.isin(query.liked, query.candidates).any()
        assert np.isnan(query.liked_at).all()
        if twin := earlier.get((query.user, query.week)):
            assert np.array_equal(query.candidates, twin.candidates)
            assert np.array_equal(query.labels, twin.labels)


def test_hidden_queries() -> None:
    """Each user has one query; profile and candidates are disjoint, and the labels are right."""
    fold_of = np.arange(len(UNDATED.papers)) % 5
    queries = list(hidden_queries(UNDATED, fold_of, 2, 50, np.random.default_rng(0)))
    assert len({query.user for query in queries}) == len(queries) > 50
    for query in queries:
        assert len(query.candidates) == len(set(query.candidates.tolist())) == 50
        assert not np.isin(query.liked, query.candidates).any()
        assert (fold_of[query.candidates] == 2).all()
        assert (fold_of[query.liked] != 2).all()
        own = UNDATED.likes.papers[UNDATED.likes.of_user(query.user)]
        assert np.array_equal(query.relevant, np.isin(query.candidates, own))
        assert set(own) == set(query.liked) | set(query.candidates[query.relevant])


def test_fewer_likes() -> None:
    """A cut profile is a part of the whole profile, with its times."""
    query = next(q for q in weekly_queries(DATED) if len(q.liked) > 5)
    cut = with_fewer_likes(query, 3, np.random.default_rng(0))
    assert len(cut.liked) == len(cut.liked_at) == 3
    assert set(cut.liked) < set(query.liked)
    assert with_fewer_likes(query, 500, np.random.default_rng(0)) is query


def test_contiguity() -> None:
    """Rows of a query that are apart or do not fill their group are refused."""
    check_contiguous([0, 0, 1], np.array([2, 1], np.int32))
    for ids, sizes in (([0, 1, 0], [2, 1]), ([0, 0, 1], [2, 2]), ([0, 1, 0], [1, 1, 1])):
        with pytest.raises(TrainingError):
            check_contiguous(ids, np.array(sizes, np.int32))


def with_reactions(dataset: Dataset) -> Dataset:
    """Turn every fifth like into a save, and add four clicks and four dislikes of each user."""
    rng = np.random.default_rng(3)
    likes = replace(dataset.likes, grades=np.where(np.arange(len(dataset.likes)) % 5, LIKED, SAVED))
    users = np.unique(likes.users)
    others = [np.setdiff1d(np.arange(len(dataset.papers)), likes.papers[likes.of_user(int(r))]) for r in users]
    drawn = np.array([rng.choice(other, 8, replace=False) for other in others])
    clicks, dislikes = (
        Likes.of(np.repeat(users, 4), part.ravel(), dataset.appeared_at[part.ravel()], np.full(part.size, grade))
        for part, grade in ((drawn[:, :4], CLICKED), (drawn[:, 4:], 0))
    )
    return replace(dataset, likes=likes, clicks=clicks, dislikes=dislikes)


@pytest.mark.parametrize("dataset", [with_reactions(DATED), with_reactions(UNDATED)], ids=["dated", "undated"])
def test_graded_queries(dataset: Dataset) -> None:
    """Labels are the grades; dislikes are never positive and earlier than the query, clicks never in a profile."""
    fold_of = np.arange(len(dataset.papers)) % 5
    hidden = hidden_queries(dataset, fold_of, 2, 50, np.random.default_rng(0))
    queries = list(weekly_queries(dataset) if dataset.dated else hidden)
    for query in queries:
        likes, clicks, dislikes = (
            {int(part.papers[i]): int(part.grades[i]) for i in range(*part.of_user(query.user).indices(10**6))}
            for part in (dataset.likes, dataset.clicks, dataset.dislikes)
        )
        expected = [(likes | clicks).get(row, 0) for row in query.candidates.tolist()]
        assert query.labels.tolist() == expected
        assert query.relevant.tolist() == [label > 0 for label in expected]
        assert set(query.liked.tolist()) <= likes.keys()
        assert set(query.disliked.tolist()) <= dislikes.keys()
        assert not np.isin(query.disliked, query.candidates).any()
        if dataset.dated:
            assert (dataset.appeared_at[query.disliked] < query.as_of - WEEK).all()
    assert {label for query in queries for label in query.labels.tolist()} == {0, CLICKED, SAVED, LIKED}
    assert any(len(query.disliked) for query in queries)
    assert any(set(query.labels.tolist()) == {0, CLICKED} for query in queries)


def test_likes_alone_are_binary() -> None:
    """With likes alone every relevant candidate has the grade of a like."""
    for query in weekly_queries(DATED):
        assert np.array_equal(query.labels, query.relevant * LIKED)


def test_weeks_are_those_of_first_sight() -> None:
    """If first_seen_at is known, it decides the week of a paper, and published_at does not."""
    seen_at = DATED.papers.published_at + 3 * WEEK
    later = replace(
        DATED,
        papers=replace(DATED.papers, first_seen_at=seen_at),
        likes=replace(DATED.likes, liked_at=DATED.likes.liked_at + 3 * WEEK),
    )
    pairs = zip(weekly_queries(DATED), weekly_queries(later), strict=True)
    assert all(np.array_equal(one.candidates, other.candidates) for one, other in pairs)
