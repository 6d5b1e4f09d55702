import numpy as np

from ranker.types import IndexArray
from testing.training import planted
from training.calibration.digests import digest_queries
from training.calibration.held_out import ScoredDigests, calibrate
from training.data.weeks import start_of, week_of

DATA = planted(dated=True)
USERS = range(10)


def weeks_of_likes(user: int) -> IndexArray:
    """Return the weeks in which the user liked papers."""
    return week_of(DATA.likes.liked_at[DATA.likes.of_user(user)])


def test_digests_without_likes_count() -> None:
    """Every week after the user's first like is a digest, also if the user liked nothing of it."""
    queries = digest_queries(DATA, USERS, limit=10_000, rng=np.random.default_rng(0))
    last = int(week_of(DATA.appeared_at).max())

    assert any(not query.relevant.any() for query in queries)
    for user in USERS:
        own, liked = [query for query in queries if query.user == user], weeks_of_likes(user)
        assert {query.week for query in own} <= set(range(int(liked.min()) + 1, last + 1))
        assert sum(int(query.relevant.sum()) for query in own) == int((liked > liked.min()).sum())


def test_digests_know_no_later_likes() -> None:
    """Profiles are from before the week, and a liked paper of the profile is no candidate."""
    for query in digest_queries(DATA, USERS, limit=200, rng=np.random.default_rng(1)):
        assert (query.liked_at < start_of(query.week)).all()
        assert not np.isin(query.liked, query.candidates).any()
        assert (week_of(DATA.appeared_at[query.candidates]) == query.week).all()


def test_digests_begin_at_a_time() -> None:
    """Only weeks that begin at the given time or later are drawn."""
    since = start_of(int(week_of(DATA.appeared_at).min()) + 20) + 1

    queries = digest_queries(DATA, USERS, limit=10_000, rng=np.random.default_rng(0), since=since)

    assert queries
    assert min(start_of(query.week) for query in queries) >= since


def made_up(digest_count: int, seed: int = 0) -> ScoredDigests:
    """Return digests of 20 papers whose scores say with which probability each is liked."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=20 * digest_count)
    liked = rng.random(len(scores)) < 1 / (1 + np.exp(3 - 2 * scores))
    return ScoredDigests(scores, liked, np.full(digest_count, 20, dtype=np.int32), np.arange(digest_count) % 50)


def test_error_is_small_on_users_of_the_other_half() -> None:
    """Where scores mean the same for all users, the cross-fitted error of two data sets is small."""
    found = calibrate({"one": made_up(3_000), "two": made_up(1_000, seed=1)}, np.random.default_rng(0))

    assert found.calibration is not None
    assert found.calibration.facts["data"]["one"]["digests"] == 3_000
    assert set(found.measured) == {"one", "two"}
    assert all(max(each.error, each.shown_error) < 0.03 for each in found.measured.values())


def test_few_likes_give_no_calibration() -> None:
    """With too few likes there is no calibration, and the problem says how many there are."""
    found = calibrate({"one": made_up(3)}, np.random.default_rng(0))

    assert found.calibration is None
    assert "too few" in found.problem
