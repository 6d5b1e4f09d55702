import numpy as np
import pytest

from ranker.errors import InputError
from ranker.profile import profile as profile_module
from ranker.profile.profile import build_profile, ridge
from ranker.spaces.spaces import plain_matrix
from testing.ranker import columns, pending, spaces

LIKES = spaces().matrix(pending(columns(8), [2]))


def test_pending_likes_keep_their_words() -> None:
    """A like without a vector is left out of the vectors, not of the words."""
    profile = build_profile(LIKES)
    assert profile.liked_vector_rows.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert profile.liked_text_rows.tolist() == list(range(8))
    assert profile.like_count == 8
    assert np.isfinite(profile.liked_units).all()


@pytest.mark.parametrize("weighed", [400, 3])
def test_length_of_the_mean_words(monkeypatch: pytest.MonkeyPatch, weighed: int) -> None:
    """It is that of the mean TF-IDF row, whether or not the linear model sees all likes."""
    monkeypatch.setattr(ridge, "MAX_LIKES", weighed)
    profile = build_profile(LIKES)
    assert profile.liked_tfidf is not None
    expected = np.asarray(profile.liked_tfidf.matrix.mean(axis=0)).ravel()
    assert profile.tfidf_centroid_length == pytest.approx(np.linalg.norm(expected), rel=1e-5)


def test_only_the_newest_likes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the oldest likes go, unknown times first, and row numbers still count all likes given."""
    monkeypatch.setattr(profile_module, "MAX_LIKES", 3)
    profile = build_profile(LIKES.take([0, 1, 3, 4, 5]), None, np.array([5.0, 1.0, np.nan, 3.0, 4.0]))
    assert profile.liked_vector_rows.tolist() == [0, 3, 4]
    assert profile.newest_like_at == 5.0


def test_nothing_liked() -> None:
    """A user without likes has a profile with nothing in it."""
    profile = build_profile(LIKES.take([]))
    assert profile.like_count == 0
    assert np.isnan([profile.newest_like_at, profile.centroid_length, profile.tfidf_centroid_length]).all()


def test_without_a_bundle() -> None:
    """A plain matrix gives a profile of vectors alone."""
    profile = build_profile(plain_matrix(columns(4)), plain_matrix(columns(2, prefix="d")))
    assert profile.liked_whitened is None
    assert profile.liked_tfidf is None
    assert profile.disliked_units.shape == (2, 16)


def test_times_must_fit() -> None:
    """One time per like, or none at all."""
    with pytest.raises(InputError, match="8 likes"):
        build_profile(LIKES, None, np.zeros(3))
