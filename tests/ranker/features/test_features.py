import subprocess
import sys
from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from ranker.blas import use_one_thread
from ranker.features import SCHEMA, compute_matrix
from ranker.features.schema import FAMILIES
from ranker.papers import stack_columns
from ranker.profile.profile import build_profile
from ranker.profile.ridge import NOISE
from ranker.spaces.spaces import PaperMatrix, plain_matrix
from ranker.types import Float32Array, Float64Array
from testing.ranker import DAY, NOW, assert_close, columns, computed_values, model_text, named, pending, spaces

SPACES = spaces()
CANDIDATES = SPACES.matrix(pending(columns(77), [5]))
LIKES = SPACES.matrix(columns(30, seed=1, prefix="l"))
KNOWN = np.flatnonzero(CANDIDATES.has_vector)
LEARNED = {"embedding": "whitened", "collaborative": "factors"}
"""The families that compare papers in a learned space, and the space."""


def features(likes: PaperMatrix = LIKES, candidates: PaperMatrix = CANDIDATES, as_of: float = NOW) -> Float32Array:
    """The features of a user with these likes."""
    return compute_matrix(build_profile(likes), candidates, as_of)


def standard(values: Float64Array) -> Float64Array:
    """The values as standard deviations from their mean."""
    return np.asarray((values - values.mean()) / values.std())


def crowded(values: Float64Array) -> Float64Array:
    """The values as standard deviations from their mean, minus half the crowding."""
    return np.asarray(standard(values) - 0.5 * CANDIDATES.word_crowding)


def word_cosines(likes: PaperMatrix) -> tuple[Float64Array, Float64Array]:
    """The TF-IDF products of all candidates with these likes, and those of the likes with one another.

    In the first, terms of more than a tenth of the candidates count less.
    """
    assert likes.tfidf is not None
    assert CANDIDATES.tfidf is not None
    rows = CANDIDATES.tfidf.matrix.toarray().astype(np.float64)
    shares = np.maximum((rows > 0).sum(axis=0), 1) / (77 + 20)
    liked = likes.tfidf.matrix.toarray().astype(np.float64)
    return (rows * np.minimum(np.log(shares) / np.log(0.1), 1)) @ liked.T, liked


def linear_weights(likes: Float64Array) -> Float64Array:
    """The weights of the likes in a user's linear model, by its definition."""
    return np.linalg.solve(likes @ likes.T + NOISE * np.eye(len(likes)), np.ones(len(likes)))


def test_shape_and_order() -> None:
    """The matrix is float32 and C-contiguous, with one row for each candidate and one column for each feature."""
    found = features()
    assert found.shape == (77, len(SCHEMA))
    assert found.dtype == np.float32
    assert found.flags.c_contiguous


def test_equal_in_other_surroundings() -> None:
    """Papers taken from larger matrices give the same features as papers placed in the spaces alone."""
    catalogue = SPACES.matrix(pending(columns(77), [5]))
    elsewhere = catalogue.take(range(76, -1, -1)).take(range(76, -1, -1))
    many = SPACES.matrix(stack_columns([columns(50, seed=8, prefix="x"), LIKES.columns])).take(range(50, 80))
    assert_close(features(many, elsewhere), features())


def test_equal_with_another_number_of_threads() -> None:
    """A process with two threads for linear algebra computes the same features and factors as one thread."""
    code = "import sys; from testing.ranker import computed_values; sys.stdout.buffer.write(computed_values())"
    environment = {"OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "PYTHONPATH": ":".join(sys.path)}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout
    with use_one_thread():
        assert_close(np.frombuffer(there, np.float32), computed_values())


def test_names() -> None:
    """Feature names are unique and begin with the name of their family, and each feature has a direction."""
    assert len(set(SCHEMA.names)) == len(SCHEMA) == len(SCHEMA.directions) == len(SCHEMA.family_of)
    assert set(SCHEMA.directions) <= {-1, 0, 1}
    for family in FAMILIES:
        assert all(name.startswith(f"{family.FAMILY}_") for name in family.NAMES)
        assert len(family.NAMES) == len(family.DIRECTIONS)
    assert [SCHEMA.names[i] for i in SCHEMA.columns_of("profile")] == list(
        next(f for f in FAMILIES if f.FAMILY == "profile").NAMES
    )


def test_trained_scores_follow_the_directions() -> None:
    """A model that is trained with the directions never scores a candidate lower for a value that must not lower it."""
    text = model_text(constrained=True)
    booster = lightgbm.Booster(model_str=text)
    rows = features()
    for column, direction in enumerate(SCHEMA.directions):
        values = np.unique(rows[np.isfinite(rows[:, column]), column])
        if direction and len(values) > 1:
            raised = np.repeat(rows[6:7], len(values), axis=0)
            raised[:, column] = values
            steps = np.diff(np.asarray(booster.predict(raised, num_threads=1)))
            assert (steps * direction >= -1e-12).all(), SCHEMA.names[column]


def test_nearest_papers_by_hand() -> None:
    """The plain cosines to the nearest like, interest and dislike equal a computation in float64."""
    disliked = SPACES.matrix(pending(columns(4, seed=2, prefix="d"), [1]))
    profile = build_profile(LIKES, disliked)
    found = compute_matrix(profile, CANDIDATES, NOW)[KNOWN]
    units = CANDIDATES.units[KNOWN].astype(np.float64)
    for name, rows in (
        ("nearest", LIKES.units),
        ("interest", profile.interests.centroids),
        ("disliked_nearest", disliked.units[[0, 2, 3]]),
    ):
        expected = (units @ rows.astype(np.float64).T).max(axis=1)
        assert np.allclose(named(found, f"embedding_{name}"), expected, atol=1e-6), name


@pytest.mark.parametrize("family", LEARNED)
@pytest.mark.parametrize("count", [1, 2, 30])
def test_likeness_by_hand(family: str, count: int) -> None:
    """The linear model, and the standardised mean, linear and nearest cosines, equal plain computations."""
    likes, candidates = (getattr(part, LEARNED[family]).astype(np.float64) for part in (LIKES, CANDIDATES))
    likes = likes[:count]
    found = features(LIKES.take(range(count)))[KNOWN]
    cosines = candidates[KNOWN] @ likes.T
    linear = cosines @ linear_weights(likes)

    assert np.allclose(named(found, f"{family}_linear"), linear, atol=1e-5)
    assert np.allclose(named(found, f"{family}_mean_relative"), standard(cosines.mean(axis=1)), atol=1e-4)
    assert np.allclose(named(found, f"{family}_linear_relative"), standard(linear), atol=1e-4)
    if family == "embedding":
        assert np.allclose(named(found, "embedding_nearest_relative"), standard(cosines.max(axis=1)), atol=1e-4)


@pytest.mark.parametrize("count", [1, 30])
def test_text_by_hand(count: int) -> None:
    """Text features are TF-IDF products in which terms of more than a tenth of the candidates count less."""
    likes = LIKES.take(range(count))
    cosines, liked = word_cosines(likes)
    linear, nearest = cosines @ linear_weights(liked), cosines.max(axis=1)
    found = features(likes)

    assert np.allclose(named(found, "text_linear"), linear, atol=1e-5)
    assert np.allclose(named(found, "text_nearest"), nearest, atol=1e-5)
    assert np.allclose(named(found, "text_linear_relative"), crowded(linear), atol=1e-3)
    assert np.allclose(named(found, "text_nearest_relative"), crowded(nearest), atol=1e-3)
    assert CANDIDATES.tfidf is not None
    assert np.allclose(named(found, "text_candidate_terms"), np.log1p(CANDIDATES.tfidf.row_sizes), atol=1e-6)


@pytest.mark.parametrize("count", [1, 30])
def test_evidence_by_hand(count: int) -> None:
    """The evidence is 0.6 of the linear and 0.4 of the nearest feature, times a weight that grows with the texts.

    The weight is 1 if the geometric mean of the mean numbers of terms of likes and candidates is 80.
    """
    likes = LIKES.take(range(count))
    cosines, liked = word_cosines(likes)
    assert CANDIDATES.tfidf is not None
    counts = (liked > 0).sum(axis=1)
    terms = np.sqrt(counts.mean() * min(1, counts.sum() / 100) * CANDIDATES.tfidf.row_sizes.mean())
    both = 0.6 * crowded(cosines @ linear_weights(liked)) + 0.4 * crowded(cosines.max(axis=1))

    assert np.allclose(named(features(likes), "text_evidence"), (terms / 80) ** 0.75 * both, atol=1e-3)


def test_evidence_of_longer_texts() -> None:
    """The same likeness is more evidence in longer texts: sixteen times the terms on one side weigh 2.8 times."""
    profile = build_profile(LIKES)
    longer = replace(profile)
    vars(longer)["text_amount"] = 16 * profile.text_amount
    found, more = (named(compute_matrix(each, CANDIDATES, NOW), "text_evidence") for each in (profile, longer))
    assert_close(more, found * 4**0.75)


def test_library_by_hand() -> None:
    """The feature of the profile is the logarithm of one plus the number of likes."""
    assert np.allclose(named(features(), "profile_log_likes"), np.log(31))


def test_pending_candidate() -> None:
    """A candidate without a vector lacks exactly the features that are computed from vectors."""
    found = features()
    from_vectors = np.concatenate([SCHEMA.columns_of(family) for family in LEARNED])
    unknown = SCHEMA.names.index("embedding_disliked_nearest")
    assert np.isnan(found[5, from_vectors]).all()
    assert np.isfinite(found[6, np.setdiff1d(from_vectors, unknown)]).all()
    assert np.isfinite(found[5, SCHEMA.columns_of("text")]).all()


def test_pending_candidates_change_no_other() -> None:
    """The features of the other candidates are those of a digest without the pending one, as far as they are alone."""
    alone = features(candidates=CANDIDATES.take(KNOWN.tolist()))[:, SCHEMA.columns_of("embedding")]
    assert_close(features()[KNOWN][:, SCHEMA.columns_of("embedding")], alone)


def test_candidate_without_words() -> None:
    """A candidate without words lacks exactly the text features, and a like without words changes none of them."""
    texts = ("", *CANDIDATES.columns.texts[1:])
    wordless = SPACES.matrix(replace(CANDIDATES.columns, texts=texts))
    found = features(candidates=wordless)
    assert np.isnan(found[0, SCHEMA.columns_of("text")]).all()
    assert np.isfinite(found[1:, SCHEMA.columns_of("text")]).all()
    assert_close(found[:, SCHEMA.columns_of("embedding")], features()[:, SCHEMA.columns_of("embedding")])

    likes = replace(LIKES.columns, texts=("the of", *LIKES.columns.texts[1:]))
    with_words = features(LIKES.take(range(1, 30)))
    assert_close(features(SPACES.matrix(likes))[:, SCHEMA.columns_of("text")], with_words[:, SCHEMA.columns_of("text")])


def test_every_family_is_alive() -> None:
    """Every family has values in the made-up spaces, except that of topics, so these tests cover all families."""
    found = features()
    for family in SCHEMA.families:
        assert np.isfinite(found[:, SCHEMA.columns_of(family)]).any() or family == "topic", family


def test_pending_likes() -> None:
    """If all likes are pending, the features of vectors are NaN for every candidate, and those of words are known."""
    found = features(SPACES.matrix(pending(columns(3, prefix="l"), [0, 1, 2])))
    for family in LEARNED:
        assert np.isnan(found[:, SCHEMA.columns_of(family)]).all()
    assert np.isfinite(named(found, "text_nearest")).all()


def test_nothing_liked() -> None:
    """Without likes only the features of the candidate alone are known, and the number of likes."""
    found = features(LIKES.take([]))
    alone = {"text_candidate_terms", "recency_days", "profile_log_likes", "trend_upvotes_rank", "trend_velocity"}
    known = {name for name in SCHEMA.names if np.isfinite(named(found, name)).any()}
    assert known == alone


def test_plain_matrices() -> None:
    """Without a bundle the learned features are unknown, and plain embedding features keep their values."""
    found = features(plain_matrix(LIKES.columns), plain_matrix(CANDIDATES.columns))
    assert np.isnan(named(found, "embedding_linear")).all()
    assert np.isnan(found[:, SCHEMA.columns_of("text")]).all()
    for name in ("embedding_nearest", "embedding_interest"):
        assert_close(named(found, name), named(features(), name))


def test_ages() -> None:
    """Ages are counted up to as_of, are never negative and are NaN for unknown dates."""
    papers = CANDIDATES.columns
    days = named(features(as_of=NOW - 10 * DAY), "recency_days")
    expected = np.maximum((NOW - 10 * DAY - papers.published_at) / DAY, 0)
    assert np.allclose(days, expected, equal_nan=True)
    assert np.isnan(days[4])


def test_papers_without_a_publication_date_are_as_old_as_their_first_sight() -> None:
    """If only the time is known at which a paper was first seen, its age counts from there."""
    papers = replace(columns(3), published_at=np.array([NOW - DAY, np.nan, np.nan]))
    papers = replace(papers, first_seen_at=np.array([NOW, NOW - 2 * DAY, np.nan]))
    assert np.allclose(
        named(features(candidates=SPACES.matrix(papers)), "recency_days"), [1, 2, np.nan], equal_nan=True
    )


def test_unknown_time_of_asking() -> None:
    """If as_of is NaN, as in training on libraries without dates, no age is known."""
    assert np.isnan(features(as_of=float("nan"))[:, SCHEMA.columns_of("recency")]).all()


def test_disliked() -> None:
    """The disliked feature is 1 for a disliked paper itself; NaN without dislikes, or if all are pending."""
    profile = build_profile(LIKES, CANDIDATES.take([0]))
    found = named(compute_matrix(profile, CANDIDATES, NOW), "embedding_disliked_nearest")
    assert found[0] == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(named(features(), "embedding_disliked_nearest")).all()
    bare = compute_matrix(build_profile(LIKES, CANDIDATES.take([5])), CANDIDATES, NOW)
    assert np.isnan(named(bare, "embedding_disliked_nearest")).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_candidates(count: int) -> None:
    """An empty digest gives an empty matrix with all columns; one candidate stands out by nothing."""
    found = features(candidates=CANDIDATES.take(range(count)))
    assert found.shape == (count, len(SCHEMA))
    if count == 1:
        assert named(found, "embedding_mean_relative").tolist() == [0]


def test_many_likes() -> None:
    """More likes than the linear model weighs, and than interests are found in, give finite features."""
    found = features(SPACES.matrix(columns(1_100, seed=1, prefix="l")))
    assert np.isfinite(found[KNOWN][:, SCHEMA.columns_of("collaborative")]).all()
    assert np.isfinite(found[:, SCHEMA.columns_of("text")]).all()
