import time

import numpy as np
import pytest

from ranker.profile.interests import MAX_CLUSTERED_LIKES, MAX_INTERESTS, Interests, LikedVectors, find_interests
from ranker.profile.profile import build_profile
from ranker.spaces.spaces import plain_matrix
from ranker.types import Float32Array, Float64Array
from testing.ranker import DAY, NOW, columns, pending

RNG = np.random.default_rng(4)
CENTRES = RNG.standard_normal((12, 64))
UNKNOWN = np.nan


def likes_of(fields: list[int], spread: float = 0.5) -> Float32Array:
    """Unit vectors near the centres of their fields."""
    vectors = CENTRES[fields] + spread * np.random.default_rng(len(fields)).standard_normal((len(fields), 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def found_in(units: Float32Array, times: Float64Array) -> Interests:
    """Of one reader, with likes in these rows."""
    return find_interests([LikedVectors(units, np.arange(len(units)), times)])[0]


def test_many_users_get_what_each_gets_alone() -> None:
    """Readers with few, many, equally many and no likes at all get the same bits together as one by one."""
    rng = np.random.default_rng(3)
    users = []
    for count in (30, 7, 30, 0, 1, 30, 101, 2, 30, 7, 101, *[12] * 70):
        units = likes_of(rng.integers(0, 10, count).tolist())
        users.append(LikedVectors(units, np.arange(count), NOW - rng.integers(0, 400, count) * DAY))
    for together, liked in zip(find_interests(users), users, strict=True):
        alone = find_interests([liked])[0]
        assert np.array_equal(together.centroids, alone.centroids)
        assert np.array_equal(together.weights, alone.weights)
        assert [rows.tolist() for rows in together.members] == [rows.tolist() for rows in alone.members]


def test_finds_the_planted_fields() -> None:
    """Likes of three fields in any order are three interests, the one with most likes first."""
    fields = [0, 1, 0, 2, 1, 0, 2, 0, 0]
    found = found_in(likes_of(fields), np.full(9, UNKNOWN))
    assert [members.tolist() for members in found.members] == [[0, 2, 5, 7, 8], [1, 4], [3, 6]]
    assert found.weights.tolist() == pytest.approx([5 / 9, 2 / 9, 2 / 9])
    assert np.allclose(np.linalg.norm(found.centroids, axis=1), 1, atol=1e-6)


def test_recent_likes_weigh_more() -> None:
    """A like of half a year ago counts half as much as one of today; unknown times count as the oldest."""
    times = np.array([NOW - 180 * DAY, NOW, UNKNOWN])
    found = found_in(likes_of([0, 1, 0]), times)
    assert found.weights.tolist() == pytest.approx([0.5, 0.5])
    assert [members.tolist() for members in found.members] == [[0, 2], [1]]


def test_at_most_eight() -> None:
    """Of more groups the heaviest eight are kept."""
    fields = [*range(12), *range(4, 12)]
    found = found_in(likes_of(fields), np.full(20, UNKNOWN))
    assert len(found) == MAX_INTERESTS
    assert all(len(members) == 2 for members in found.members)


def test_nothing_liked() -> None:
    """Without vectors there is no interest, and nothing is near."""
    found = build_profile(plain_matrix(pending(columns(3), [0, 1, 2]))).interests
    assert len(found) == 0
    assert found.nearest(likes_of([0]))[0].tolist() == [-1]
    assert np.isnan(found.nearest(likes_of([0, 1]))[1]).all()


def test_rows_are_those_of_the_likes_given() -> None:
    """Members are counted among the likes as given, and one without a vector is in no interest."""
    profile = build_profile(plain_matrix(pending(columns(9), [0, 4])))
    rows = np.concatenate(profile.interests.members)
    assert set(rows.tolist()) <= {1, 2, 3, 5, 6, 7, 8}


def test_nearest_is_truly_the_nearest() -> None:
    """The interest named is the one with the greatest cosine, with that cosine; NaN while pending."""
    found = found_in(likes_of([0, 0, 1, 1, 1]), np.full(5, UNKNOWN))
    papers = likes_of([1, 0, 5])
    papers[2] = np.nan
    nearest, cosines = found.nearest(papers)
    expected = papers[:2] @ found.centroids.T
    assert nearest.tolist() == [0, 1, -1]
    assert np.allclose(cosines[:2], expected.max(axis=1), atol=1e-6)
    assert np.isnan(cosines[2])


def test_only_the_newest_are_clustered() -> None:
    """Of very many likes the newest count; the older are in no interest."""
    count = MAX_CLUSTERED_LIKES + 10
    times = NOW + np.arange(count)
    times[-3:] = NOW - DAY
    found = found_in(likes_of([0] * count), times)
    members = np.concatenate(found.members)
    assert len(members) == MAX_CLUSTERED_LIKES
    assert not {count - 1, count - 2, count - 3, 0} & set(members.tolist())


def test_equal_likes_are_one_interest() -> None:
    """Copies of one vector are one interest."""
    same = np.repeat(likes_of([3]), 6, axis=0)
    found = found_in(same, np.full(6, UNKNOWN))
    assert [len(members) for members in found.members] == [6]


def test_cheap() -> None:
    """The interests of thirty likes take about half a millisecond; the bound leaves room for a busy machine."""
    likes = likes_of([i % 12 for i in range(30)])
    times = []
    for _ in range(20):
        began = time.perf_counter()
        found_in(likes, np.full(30, UNKNOWN))
        times.append(time.perf_counter() - began)
    assert min(times) < 0.002
