import numpy as np
import pytest

from ranker.errors import InputError
from ranker.profile import profile as profile_module
from ranker.profile.profile import build_profile, ridge
from ranker.spaces.spaces import plain_matrix
from testing.ranker import columns, pending, spaces

LIKES = spaces().matrix(pending(columns(8), [2]))


def test_pending_likes_keep_their_words() -> None:
    """A like without a vector is missing from the vectors but not from the words."""
    profile = build_profile(LIKES)
    assert profile.liked_vector_rows.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert profile.liked_text_rows.tolist() == list(range(8))
    assert profile.like_count == 8
    assert np.isfinite(profile.liked_units).all()


@pytest.mark.parametrize("weighed", [400, 3])
def test_length_of_the_mean_words(monkeypatch: pytest.MonkeyPatch, weighed: int) -> None:
    """tfidf_centroid_length is the length of the mean TF-IDF row, even if the linear model does not use all likes."""
    monkeypatch.setattr(ridge, "MAX_LIKES", weighed)
    profile = build_profile(LIKES)
    assert profile.liked_tfidf is not None
    expected = np.asarray(profile.liked_tfidf.matrix.mean(axis=0)).ravel()
    assert profile.tfidf_centroid_length == pytest.approx(np.linalg.norm(expected), rel=1e-5)


def test_only_the_newest_likes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the oldest likes are dropped, unknown times first, and rows still count all likes given."""
    monkeypatch.setattr(profile_module, "MAX_LIKES", 3)
    profile = build_profile(LIKES.take([0, 1, 3, 4, 5]), None, np.array([5.0, 1.0, np.nan, 3.0, 4.0]))
    assert profile.liked_vector_rows.tolist() == [0, 3, 4]
    assert profile.newest_like_at == 5.0


def test_nothing_liked() -> None:
    """The profile of a user without likes has no likes and NaN lengths."""
    profile = build_profile(LIKES.take([]))
    assert profile.like_count == 0
    assert np.isnan([profile.newest_like_at, profile.centroid_lengths["plain"], profile.tfidf_centroid_length]).all()


def test_without_a_bundle() -> None:
    """Without a bundle a profile holds vectors only."""
    profile = build_profile(plain_matrix(columns(4)), plain_matrix(columns(2, prefix="d")))
    assert "whitened" not in profile.liked_vectors
    assert profile.liked_tfidf is None
    assert profile.disliked_units.shape == (2, 16)


def test_times_must_fit() -> None:
    """Times that are not one for each like are refused."""
    with pytest.raises(InputError, match="8 likes"):
        build_profile(LIKES, None, np.zeros(3))
