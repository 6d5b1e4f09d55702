"""The benchmark of people with two interests, on made-up readers of two fields with a planted truth."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.quality.interests import (
    ALONE,
    ALONE_HALF,
    FEW,
    MANY,
    NAMED,
    SECTION,
    SHOWN,
    SINGLE,
    SYSTEMS,
    WEIGHTED,
    interests,
    made_up,
)
from benchmarks.quality.interests import _days as days
from ranker.bundle.bundle import Bundle
from ranker.papers import paper_columns
from testing.ranker import bundle as made_up_bundle
from testing.training import DIM
from training.data.snapshot import Dataset, Likes

FIRST = dt.datetime(2017, 1, 2, tzinfo=dt.UTC)
DAY = 86_400.0
PAPERS_A_DAY, DAYS = 120, 12
WORDS = ("genome protein cell", "compiler kernel memory")


def two_fields() -> Dataset:
    """Return twelve digests of two fields, readers of the first with many likes and of the second with few."""
    rng = np.random.default_rng(3)
    count = PAPERS_A_DAY * DAYS
    field = (rng.random(count) < 0.3).astype(int)
    centres = np.eye(DIM)[:2] * 3
    vectors = (centres[field] + rng.standard_normal((count, DIM)) * 0.4).astype(np.float32)
    day = np.repeat(np.arange(DAYS), PAPERS_A_DAY)
    papers = paper_columns(
        [f"p{number}" for number in range(count)],
        [f"{WORDS[each]} w{rng.integers(0, 300)}" for each in field],
        vectors,
        published_at=FIRST.timestamp() + day * DAY,
    )
    papers = replace(papers, categories=tuple((f"field{each}",) for each in field))
    users, liked = [], []
    for user in range(20):
        own = np.flatnonzero(field == user % 2)
        chosen = rng.choice(own, 60 if user % 2 == 0 else 24, replace=False)
        users += [user] * len(chosen)
        liked += chosen.tolist()
    times = papers.published_at[liked]
    return Dataset("two fields", papers, Likes.of(users, liked, times.tolist()))


DATA = two_fields()
LAST_DAY = (FIRST + dt.timedelta(days=DAYS - 1)).date()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle without a training run: its trees are fitted on random papers."""
    return made_up_bundle(tmp_path_factory.mktemp("interests") / "bundle", dim=DIM)


def test_made_up_users() -> None:
    """The likes of a user come from two readers of different fields, four times as many from one, before the day."""
    users = list(made_up(DATA, list(days(DATA, FIRST.date(), LAST_DAY)), seed=1))

    assert users
    fields = np.array([name for (name,) in DATA.papers.categories])
    for user in users:
        assert (len(user.weak), len(user.strong)) == (FEW, MANY) == (FEW, 4 * FEW)
        (weak,), (strong,) = (set(fields[rows]) for rows in (user.weak, user.strong))
        assert weak != strong
        assert set(fields[user.answers]) == {weak}
        assert max(user.times.values()) < user.day.as_of - DAY
        assert np.isin(user.answers, user.day.candidates).all()
        assert not np.isin(user.day.visible, user.day.candidates).any()


def test_sections_find_the_weaker_interest(bundle: Bundle) -> None:
    """With sections, the weaker interest gets its share of the first twenty; the single list hides most of it."""
    found = interests(DATA, bundle, FIRST.date(), LAST_DAY)

    assert found["users"] > 10
    assert found["shown"] == SHOWN
    assert found["systems"].keys() == set(SYSTEMS)
    recall = {name: each["recall of the weaker interest"] for name, each in found["systems"].items()}
    assert found["systems"][ALONE]["of the feed of that interest alone"] == 1
    assert recall[ALONE] >= recall[NAMED] > recall[SINGLE]
    by_likes, more = (recall[name] for name in WEIGHTED)
    assert recall[ALONE] >= more >= recall[NAMED] >= by_likes
    assert recall[SECTION] >= recall[NAMED] >= recall[ALONE_HALF]
