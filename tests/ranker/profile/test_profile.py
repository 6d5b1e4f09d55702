from dataclasses import replace

import numpy as np
import pytest

from ranker.errors import InputError
from ranker.profile import profile as profile_module
from ranker.profile.profile import build_profile
from ranker.profile.ridge import NOISE
from ranker.spaces.spaces import plain_matrix
from testing.ranker import assert_close, columns, pending, spaces

LIKES = spaces().matrix(pending(columns(8), [2]))


def test_pending_likes_keep_their_words() -> None:
    """A like without a vector is missing from the vectors but not from the words."""
    profile = build_profile(LIKES)
    assert profile.liked_vector_rows.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert profile.liked_text_rows.tolist() == list(range(8))
    assert profile.like_count == 8
    assert np.isfinite(profile.liked_units).all()


def test_directions_by_hand() -> None:
    """The directions of a space are the mean like, and the likes weighted by the linear model."""
    profile = build_profile(LIKES)
    for space, rows in (("whitened", LIKES.whitened), ("factors", LIKES.factors)):
        assert rows is not None
        known = rows[profile.liked_vector_rows].astype(np.float64)
        weights = np.linalg.solve(known @ known.T + NOISE * np.eye(7), np.ones(7))
        assert np.allclose(profile.directions[space].mean, known.mean(axis=0), atol=1e-6)
        assert np.allclose(profile.directions[space].linear, weights @ known, atol=1e-5)


def test_word_directions_by_hand() -> None:
    """The directions of words are those of the TF-IDF rows, on the terms of the likes."""
    profile = build_profile(LIKES)
    assert profile.liked_tfidf is not None
    assert profile.word_directions is not None
    rows = profile.liked_tfidf.matrix.toarray().astype(np.float64)
    weights = np.linalg.solve(rows @ rows.T + NOISE * np.eye(8), np.ones(8))
    terms = profile.word_directions.terms
    assert terms.tolist() == np.flatnonzero(rows.any(axis=0)).tolist()
    assert np.allclose(
        profile.word_directions.values, np.stack((rows.mean(axis=0), weights @ rows))[:, terms], atol=1e-5
    )


def test_linear_models_weigh_the_newest_likes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The linear models of a large library are those of its newest likes; the means are those of all."""
    monkeypatch.setattr(profile_module, "MODELLED_LIKES", 3)
    whole, newest = build_profile(LIKES), build_profile(LIKES.take([5, 6, 7]))
    for space in ("whitened", "factors"):
        assert_close(whole.directions[space].linear, newest.directions[space].linear)
        assert not np.allclose(whole.directions[space].mean, newest.directions[space].mean)
    assert whole.word_directions is not None
    assert newest.word_directions is not None
    own = np.isin(whole.word_directions.terms, newest.word_directions.terms)
    assert_close(whole.word_directions.values[1, own], newest.word_directions.values[1])
    assert not whole.word_directions.values[1, ~own].any()


def test_only_the_newest_likes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the oldest likes are dropped, unknown times first, and rows still count all likes given."""
    monkeypatch.setattr(profile_module, "MAX_LIKES", 3)
    profile = build_profile(LIKES.take([0, 1, 3, 4, 5]), None, np.array([5.0, 1.0, np.nan, 3.0, 4.0]))
    assert profile.liked_vector_rows.tolist() == [0, 3, 4]
    assert profile.newest_like_at == 5.0


def test_nothing_liked() -> None:
    """The profile of a user without likes has neither likes nor directions, and an unknown spread."""
    profile = build_profile(LIKES.take([]))
    assert profile.like_count == 0
    assert np.isnan([profile.newest_like_at, profile.spread]).all()
    assert (profile.directions, profile.word_directions, profile.category_shares) == ({}, None, {})


def test_likes_without_vectors_or_words() -> None:
    """Likes without vectors give no directions in vector spaces, and likes without words none in that of words."""
    bare = build_profile(spaces().matrix(pending(columns(2), [0, 1])))
    assert bare.directions == {}
    assert bare.word_directions is not None
    silent = build_profile(spaces().matrix(replace(columns(2), texts=("", "the of"))))
    assert silent.word_directions is None
    assert set(silent.directions) == {"whitened", "factors"}


def test_spread() -> None:
    """Equal likes have no spread, and opposite likes the greatest."""
    one = columns(2)
    rows = one.embeddings[[0, 0]]
    assert build_profile(plain_matrix(replace(one, embeddings=rows))).spread == pytest.approx(0, abs=1e-6)
    rows = rows * np.array([[1], [-1]], dtype=np.float32)
    assert build_profile(plain_matrix(replace(one, embeddings=rows))).spread == pytest.approx(1, abs=1e-6)


def test_category_shares() -> None:
    """A category's share is that among the likes with categories, and a like counts once for each category."""
    likes = replace(LIKES.columns.take([0, 1, 3]), categories=(("a", "b", "a"), (), ("a",)))
    assert build_profile(plain_matrix(likes)).category_shares == {"a": 1, "b": 0.5}


def test_without_a_bundle() -> None:
    """Without a bundle a profile holds vectors only."""
    profile = build_profile(plain_matrix(columns(4)), plain_matrix(columns(2, prefix="d")))
    assert profile.directions == {}
    assert (profile.liked_tfidf, profile.word_directions) == (None, None)
    assert profile.disliked_units.shape == (2, 16)


def test_times_must_fit() -> None:
    """Times that are not one for each like are refused."""
    with pytest.raises(InputError, match="8 likes"):
        build_profile(LIKES, None, np.zeros(3))
