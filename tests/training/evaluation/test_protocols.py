import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from testing.training import MONDAY, WEEK
from tests.training.evaluation.builders import FIRST_DAY, LAST_DAY, dated, undated, with_paper
from training.data.snapshot import Likes
from training.data.weeks import week_of
from training.dates import day_seconds
from training.errors import EvaluationError
from training.evaluation.protocols import (
    MIN_LIKES,
    cold_items,
    cold_rows,
    known_before,
    tie_order,
    warm_part,
    weekly_digest,
    without_dates,
)


def test_a_fifth_is_cold() -> None:
    """Each seed draws its own fifth, always the same."""
    assert cold_rows(400, 3).sum() == 80
    assert (cold_rows(400, 3) == cold_rows(400, 3)).all()
    assert (cold_rows(400, 3) != cold_rows(400, 4)).any()


def test_cold_items() -> None:
    """Profiles hold all warm likes, answers all cold ones, candidates all cold papers; other users are left out."""
    data = undated()
    cold, this = cold_rows(len(data.papers), 1), cold_items(data, 1)
    assert set(this.candidates) == set(np.flatnonzero(cold))
    assert not cold[this.negatives].any()
    assert not cold[this.likes.papers].any()
    asked = set()
    for query in this.queries:
        own = data.likes.papers[data.likes.of_user(query.user)]
        assert set(query.liked) == set(own[~cold[own]])
        assert len(query.liked) >= MIN_LIKES
        assert set(query.candidates[query.relevant]) == set(own[cold[own]]) != set()
        asked.add(query.user)
    for user in set(data.likes.users.tolist()) - asked:
        own = data.likes.papers[data.likes.of_user(user)]
        assert (~cold[own]).sum() < MIN_LIKES or not cold[own].any()


def test_training_sees_no_cold_paper() -> None:
    """A bundle is trained on the warm papers and their likes alone."""
    data = undated()
    cold, part = cold_rows(len(data.papers), 1), warm_part(data, 1)
    assert part.papers.paper_ids == tuple(np.array(data.papers.paper_ids)[~cold])
    assert len(part.likes.users) == (~cold[data.likes.papers]).sum()
    pairs = {(r, part.papers.paper_ids[p]) for r, p in zip(part.likes.users, part.likes.papers, strict=True)}
    assert pairs <= {(r, data.papers.paper_ids[p]) for r, p in zip(data.likes.users, data.likes.papers, strict=True)}


def test_no_long_history() -> None:
    """If no user has five warm likes, the error says so."""
    data = undated()
    few = replace(data, likes=Likes.of([0, 0, 1], [1, 2, 3], [np.nan] * 3))
    with pytest.raises(EvaluationError, match="5 or more likes of warm papers"):
        cold_items(few, 1)


def test_weeks() -> None:
    """Candidates are the week's papers, profiles the earlier likes, and answers the week's likes."""
    data = dated()
    weeks, like_weeks = week_of(data.papers.published_at), week_of(data.likes.liked_at)
    rounds = list(weekly_digest(data, FIRST_DAY, LAST_DAY, 1))
    assert len(rounds) > 10
    for this in rounds:
        week = this.queries[0].week
        assert set(this.candidates) == set(np.flatnonzero(weeks == week))
        assert set(this.visible) == set(np.flatnonzero(weeks < week))
        assert this.as_of == MONDAY + WEEK * round((this.as_of - MONDAY) / WEEK)
        assert week_of(np.array([this.as_of - 1, this.as_of])).tolist() == [week, week + 1]
        for query in this.queries:
            own = data.likes.of_user(query.user)
            assert set(query.liked) == set(data.likes.papers[own][like_weeks[own] < week])
            assert (query.liked_at < this.as_of - WEEK).all()
            assert set(query.candidates[query.relevant]) == set(data.likes.papers[own][like_weeks[own] == week])


def test_range_of_weeks() -> None:
    """A week counts if it begins in the range, which includes both ends."""
    data = dated()
    monday = dt.date(2017, 6, 5)
    assert [this.as_of for this in weekly_digest(data, monday, monday, 1)] == [day_seconds(dt.date(2017, 6, 12))]
    assert list(weekly_digest(data, monday + dt.timedelta(1), monday + dt.timedelta(6), 1)) == []


def test_later_papers_change_no_round() -> None:
    """A later paper is in no candidate set and no profile, even if a like of it has an early wrong date."""
    data = dated()
    late = MONDAY + 30.5 * WEEK
    for plain, planted in zip(
        weekly_digest(data, FIRST_DAY, dt.date(2017, 7, 24), 1),
        weekly_digest(with_paper(data, late), FIRST_DAY, dt.date(2017, 7, 24), 1),
        strict=True,
    ):
        assert (plain.candidates + 1 == planted.candidates).all()
        assert [q.user for q in plain.queries] == [q.user for q in planted.queries]
        assert all((a.liked + 1 == b.liked).all() for a, b in zip(plain.queries, planted.queries, strict=True))


def test_known_before() -> None:
    """Training before a day sees only papers and likes with a date before it."""
    data = dated()
    moment = MONDAY + 20 * WEEK
    known = known_before(with_paper(data, moment), moment)
    assert (known.papers.published_at < moment).all()
    assert (known.likes.liked_at < moment).all()
    assert known.fingerprint == known_before(data, moment).fingerprint
    assert not len(known_before(without_dates(data), moment).papers)


def test_ties_know_no_file_order() -> None:
    """The order of ties depends on the ids, not on the order of the file."""
    data = dated()
    order = tie_order(data, np.arange(50))
    backwards = replace(data, papers=data.papers.take(range(49, -1, -1)))
    assert (tie_order(backwards, np.arange(50)) == 49 - order).all()
    assert (np.diff(order) != 1).any()
