import numpy as np
import pytest

from ranker.profile.interests import MAX_CLUSTERED_LIKES, MAX_INTERESTS, Interests, find_interests
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
    """Return the interests that are found in these vectors of liked papers."""
    return find_interests(units, np.arange(len(units)), times)


def test_finds_the_planted_fields() -> None:
    """Likes of three fields in any order give three interests, the largest first."""
    fields = [0, 1, 0, 2, 1, 0, 2, 0, 0]
    found = found_in(likes_of(fields), np.full(9, UNKNOWN))
    assert [members.tolist() for members in found.members] == [[0, 2, 5, 7, 8], [1, 4], [3, 6]]
    assert found.weights.tolist() == pytest.approx([5 / 9, 2 / 9, 2 / 9])
    assert np.allclose(np.linalg.norm(found.centroids, axis=1), 1, atol=1e-6)


def test_recent_likes_weigh_more() -> None:
    """A like that is half a year old weighs half as much as a new one; unknown times count as the oldest."""
    times = np.array([NOW - 180 * DAY, NOW, UNKNOWN])
    found = found_in(likes_of([0, 1, 0]), times)
    assert found.weights.tolist() == pytest.approx([0.5, 0.5])
    assert [members.tolist() for members in found.members] == [[0, 2], [1]]


def test_at_most_eight() -> None:
    """If there are more than eight clusters, the heaviest eight become interests."""
    fields = [*range(12), *range(4, 12)]
    found = found_in(likes_of(fields), np.full(20, UNKNOWN))
    assert len(found) == MAX_INTERESTS
    assert all(len(members) == 2 for members in found.members)


def test_nothing_liked() -> None:
    """A user without liked vectors has no interests."""
    found = build_profile(plain_matrix(pending(columns(3), [0, 1, 2]))).interests
    assert len(found) == 0


def test_rows_are_those_of_the_likes_given() -> None:
    """Members are rows of the likes as given, and a like without a vector is in no interest."""
    profile = build_profile(plain_matrix(pending(columns(9), [0, 4])))
    rows = np.concatenate(profile.interests.members)
    assert set(rows.tolist()) <= {1, 2, 3, 5, 6, 7, 8}


def test_only_the_newest_are_clustered() -> None:
    """Beyond the limit only the newest likes are clustered; older likes are in no interest."""
    count = MAX_CLUSTERED_LIKES + 10
    times = NOW + np.arange(count)
    times[-3:] = NOW - DAY
    found = found_in(likes_of([0] * count), times)
    members = np.concatenate(found.members)
    assert len(members) == MAX_CLUSTERED_LIKES
    assert not {count - 1, count - 2, count - 3, 0} & set(members.tolist())


def test_equal_likes_are_one_interest() -> None:
    """Copies of one vector form one interest."""
    same = np.repeat(likes_of([3]), 6, axis=0)
    found = found_in(same, np.full(6, UNKNOWN))
    assert [len(members) for members in found.members] == [6]
