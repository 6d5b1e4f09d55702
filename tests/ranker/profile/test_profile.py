from dataclasses import replace

import numpy as np
import pytest

from ranker.errors import InputError
from ranker.profile import profile as profile_module
from ranker.profile.profile import build_profile
from ranker.profile.ridge import NOISE
from ranker.spaces.spaces import plain_matrix
from ranker.types import Float64Array
from testing.ranker import assert_close, columns, pending, spaces

LIKES = spaces().matrix(pending(columns(8), [2]))


def test_pending_likes_keep_their_words() -> None:
    """A like without a vector is missing from the vectors but not from the words."""
    profile = build_profile(LIKES)
    assert profile.liked_vector_rows.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert profile.liked_text_rows.tolist() == list(range(8))
    assert profile.like_count == 8
    assert np.isfinite(profile.liked_units).all()


def weights_of(likes: Float64Array) -> Float64Array:
    """The weights of the likes in a user's linear model, by its definition."""
    return np.linalg.solve(likes @ likes.T + NOISE * np.eye(len(likes)), np.ones(len(likes)))


def test_vectors_and_weights_by_hand() -> None:
    """The vectors of a space are the rows of the likes that have vectors, and their weights those of a linear model."""
    profile = build_profile(LIKES)
    assert_close(profile.liked_vectors["plain"], LIKES.units[profile.liked_vector_rows])
    for space, rows in (("whitened", LIKES.whitened), ("factors", LIKES.factors)):
        assert rows is not None
        known = rows[profile.liked_vector_rows]
        assert_close(profile.liked_vectors[space], known)
        assert_close(profile.weights[space], weights_of(known.astype(np.float64)))


def test_words_by_hand() -> None:
    """Words are the TF-IDF rows of the likes, with the weights of a linear model and the amount of text."""
    profile = build_profile(LIKES)
    assert profile.liked_tfidf is not None
    rows = profile.liked_tfidf.matrix.toarray().astype(np.float64)
    assert_close(profile.word_weights, weights_of(rows))
    counts = (rows > 0).sum(axis=1)
    assert profile.text_amount == pytest.approx(counts.mean() * min(1, counts.sum() / 100))


def test_few_terms_are_less_text() -> None:
    """The amount of text is the mean number of terms, and less if all likes together have less than a hundred."""
    words = [" ".join(f"w{number}" for number in range(count)) for count in (10, 100)]
    short, long = (spaces().matrix(replace(columns(1), texts=(text,))) for text in words)
    assert build_profile(long).text_amount == 199
    assert build_profile(short).text_amount == pytest.approx(19 * 0.19)


def test_linear_models_weigh_the_newest_likes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The linear models of a large library are those of its newest likes; older likes weigh nothing."""
    monkeypatch.setattr(profile_module, "MODELLED_LIKES", 3)
    whole, newest = build_profile(LIKES), build_profile(LIKES.take([5, 6, 7]))
    for space in ("whitened", "factors"):
        assert whole.weights[space].tolist() == [0] * 4 + newest.weights[space].tolist()
    assert_close(whole.word_weights, np.concatenate((np.zeros(5), newest.word_weights)))


def test_only_the_newest_likes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the oldest likes are dropped, unknown times first, and rows still count all likes given."""
    monkeypatch.setattr(profile_module, "MAX_LIKES", 3)
    profile = build_profile(LIKES.take([0, 1, 3, 4, 5]), None, np.array([5.0, 1.0, np.nan, 3.0, 4.0]))
    assert profile.liked_vector_rows.tolist() == [0, 3, 4]
    assert np.nanmax(profile.liked_at) == 5.0


def test_nothing_liked() -> None:
    """The profile of a user without likes has neither likes nor weights."""
    profile = build_profile(LIKES.take([]))
    assert profile.like_count == 0
    assert not len(profile.liked_at)
    assert np.isnan(profile.text_amount)
    assert {space: len(rows) for space, rows in profile.liked_vectors.items()} == {
        "plain": 0,
        "whitened": 0,
        "factors": 0,
    }
    assert [len(weights) for weights in (*profile.weights.values(), profile.word_weights)] == [0, 0, 0]
    assert profile.category_shares == {}


def test_likes_without_vectors_or_words() -> None:
    """Likes without vectors weigh nothing in vector spaces, and likes without words nothing in that of words."""
    bare = build_profile(spaces().matrix(pending(columns(2), [0, 1])))
    assert [len(weights) for weights in bare.weights.values()] == [0, 0]
    assert len(bare.word_weights) == 2
    silent = build_profile(spaces().matrix(replace(columns(2), texts=("", "the of"))))
    assert len(silent.word_weights) == 0
    assert np.isnan(silent.text_amount)
    assert {space: len(weights) for space, weights in silent.weights.items()} == {"whitened": 2, "factors": 2}


def test_category_shares() -> None:
    """A category's share is that among the likes with categories, and a like counts once for each category."""
    likes = replace(LIKES.columns.take([0, 1, 3]), categories=(("a", "b", "a"), (), ("a",)))
    assert build_profile(plain_matrix(likes)).category_shares == {"a": 1, "b": 0.5}


def test_without_a_bundle() -> None:
    """Without a bundle a profile holds vectors only."""
    profile = build_profile(plain_matrix(columns(4)), plain_matrix(columns(2, prefix="d")))
    assert set(profile.liked_vectors) == {"plain"}
    assert (profile.weights, profile.liked_tfidf, len(profile.word_weights)) == ({}, None, 0)
    assert profile.disliked_units.shape == (2, 16)


def test_times_must_fit() -> None:
    """Times that are not one for each like are refused."""
    with pytest.raises(InputError, match="8 likes"):
        build_profile(LIKES, None, np.zeros(3))
