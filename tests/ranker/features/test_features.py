import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from ranker.blas import use_one_thread
from ranker.features import SCHEMA, compute_matrix
from ranker.features.likeness import likeness, similarities
from ranker.features.schema import FAMILIES
from ranker.papers import stack_columns
from ranker.profile.profile import build_profile
from ranker.spaces.spaces import PaperMatrix, plain_matrix
from ranker.types import Float32Array
from testing.ranker import DAY, NOW, assert_close, columns, computed_values, pending, spaces

SPACES = spaces()
CANDIDATES = SPACES.matrix(pending(columns(77), [5]))
LIKES = SPACES.matrix(columns(30, seed=1, prefix="l"))


def named(features: Float32Array, name: str) -> Float32Array:
    """The column of one feature."""
    return features[:, SCHEMA.names.index(name)]


def features(likes: PaperMatrix = LIKES, candidates: PaperMatrix = CANDIDATES, as_of: float = NOW) -> Float32Array:
    """The features of a user with these likes."""
    return compute_matrix(build_profile(likes), candidates, as_of)


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
    """A process with two threads for linear algebra computes the same features and learned values as one thread."""
    code = "import sys; from testing.ranker import computed_values; sys.stdout.buffer.write(computed_values())"
    environment = {"OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "PYTHONPATH": ":".join(sys.path)}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout
    with use_one_thread():
        assert_close(np.frombuffer(there, np.float32), computed_values())


def test_names() -> None:
    """Feature names are unique and begin with the name of their family, and each feature has a direction."""
    assert len(set(SCHEMA.names)) == len(SCHEMA) == len(SCHEMA.directions) == len(SCHEMA.family_of)
    for family in FAMILIES:
        assert all(name.startswith(f"{family.FAMILY}_") for name in family.NAMES)
    assert [SCHEMA.names[i] for i in SCHEMA.columns_of("profile")] == list(
        next(f for f in FAMILIES if f.FAMILY == "profile").NAMES
    )


def test_values_by_hand() -> None:
    """The embedding features equal a plain computation in float64."""
    cosines = CANDIDATES.units.astype(np.float64) @ LIKES.units.astype(np.float64).T
    known = np.flatnonzero(CANDIDATES.has_vector)
    centroid = LIKES.units.astype(np.float64).mean(axis=0)
    found = features()[known]
    nearest_first = -np.sort(-cosines[known], axis=1)
    assert np.allclose(named(found, "embedding_nearest"), nearest_first[:, 0], atol=1e-6)
    assert np.allclose(named(found, "embedding_top3"), nearest_first[:, :3].mean(axis=1), atol=1e-6)
    assert np.allclose(named(found, "embedding_top10"), nearest_first[:, :10].mean(axis=1), atol=1e-6)
    expected = cosines[known].mean(axis=1) / np.linalg.norm(centroid)
    assert np.allclose(named(found, "embedding_centroid"), expected, atol=1e-5)


def test_text_by_hand() -> None:
    """Text features are TF-IDF cosines in which terms of more than a twentieth of the candidates count less."""
    assert LIKES.tfidf is not None
    assert CANDIDATES.tfidf is not None
    terms = np.unique(CANDIDATES.tfidf.columns)
    rows = CANDIDATES.tfidf.select(terms).matrix.toarray()
    shares = np.maximum((rows > 0).sum(axis=0), 1) / (77 + 20)
    weights = np.minimum(np.log(shares) / np.log(0.05), 1)
    cosines = (rows * weights) @ LIKES.tfidf.select(terms).matrix.toarray().T
    assert np.allclose(named(features(), "text_nearest"), cosines.max(axis=1), atol=1e-5)
    assert np.allclose(named(features(), "text_mean"), cosines.mean(axis=1), atol=1e-5)


def test_pending_candidate() -> None:
    """A candidate without a vector lacks exactly the features that are computed from vectors."""
    found = features()
    from_vectors = np.concatenate([SCHEMA.columns_of(family) for family in ("embedding", "collaborative")])
    unknown = SCHEMA.names.index("embedding_disliked_nearest")
    assert np.isnan(found[5, from_vectors]).all()
    assert np.isfinite(found[6, np.setdiff1d(from_vectors, unknown)]).all()
    for name in ("topic_overlap", "topic_overlap_telling"):
        assert np.isnan(named(found, name)).nonzero()[0].tolist() == [5]
    assert np.isfinite(found[5, SCHEMA.columns_of("text")]).all()


def test_every_family_is_alive() -> None:
    """Every family has values in the made-up spaces, so these tests cover all families."""
    found = features()
    for family in SCHEMA.families:
        assert np.isfinite(found[:, SCHEMA.columns_of(family)]).any(), family


def test_pending_likes() -> None:
    """If all likes are pending, the embedding features are NaN for every candidate."""
    likes = SPACES.matrix(pending(columns(3, prefix="l"), [0, 1, 2]))
    found = features(likes)
    assert np.isnan(found[:, SCHEMA.columns_of("embedding")]).all()
    assert np.isfinite(named(found, "text_nearest")).all()


def test_nothing_liked() -> None:
    """Without likes only the features of the candidate alone are known."""
    found = features(LIKES.take([]))
    unknown = np.concatenate((SCHEMA.columns_of("embedding"), SCHEMA.columns_of("text")))
    assert np.isnan(found[:, unknown]).all()
    assert np.isfinite(named(found, "recency_published_days")).any()


def test_plain_matrices() -> None:
    """Without a bundle the whitened features are unknown, and plain embedding features keep their values."""
    found = features(plain_matrix(LIKES.columns), plain_matrix(CANDIDATES.columns))
    assert np.isnan(named(found, "embedding_whitened_top3")).all()
    assert_close(named(found, "embedding_top3"), named(features(), "embedding_top3"))


def test_ages() -> None:
    """Ages are counted up to as_of, are never negative and are NaN for unknown dates."""
    papers = CANDIDATES.columns
    days = named(features(as_of=NOW - 10 * DAY), "recency_published_days")
    expected = np.maximum((NOW - 10 * DAY - papers.published_at) / DAY, 0)
    assert np.allclose(days, expected, equal_nan=True)
    assert np.isnan(days[4])


def test_unknown_time_of_asking() -> None:
    """If as_of is NaN, as in training on libraries without dates, no age is known."""
    assert np.isnan(features(as_of=float("nan"))[:, SCHEMA.columns_of("recency")]).all()


def test_disliked() -> None:
    """The disliked feature is the cosine to the nearest disliked paper; NaN without dislikes."""
    profile = build_profile(LIKES, CANDIDATES.take([0]))
    found = named(compute_matrix(profile, CANDIDATES, NOW), "embedding_disliked_nearest")
    assert found[0] == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(named(features(), "embedding_disliked_nearest")).all()


@pytest.mark.parametrize("count", [1, 2, 3, 9, 11])
def test_any_number_of_likes(count: int) -> None:
    """Means over the ten nearest likes use all likes if there are fewer."""
    found = features(LIKES.take(range(count)))[0]
    cosines = -np.sort(-(CANDIDATES.units[0] @ LIKES.units[:count].T))
    assert found[SCHEMA.names.index("embedding_top10")] == pytest.approx(cosines[:10].mean(), abs=1e-6)


def test_interests() -> None:
    """The interest features are cosine and weight of the nearest interest; NaN for a pending vector."""
    profile = build_profile(LIKES)
    found = features()
    cosines = CANDIDATES.units @ profile.interests.centroids.T
    known = CANDIDATES.has_vector
    assert np.allclose(named(found, "embedding_interest")[known], cosines[known].max(axis=1), atol=1e-6)
    best = cosines[known].argmax(axis=1)
    assert_close(named(found, "embedding_interest_weight")[known], profile.interests.weights[best])
    assert np.isnan(named(found, "embedding_interest_weight")[~known]).all()


def test_no_candidates() -> None:
    """An empty digest gives an empty matrix with all columns."""
    assert features(candidates=CANDIDATES.take([])).shape == (0, len(SCHEMA))


def test_many_likes_of_many_candidates() -> None:
    """Many likes and candidates are compared one space at a time: same features, little memory."""
    likes, candidates = SPACES.matrix(columns(1_100, seed=1, prefix="l")), SPACES.matrix(columns(600))
    profile = build_profile(likes)
    together = likeness(profile, candidates, dict(similarities(profile, candidates)))

    tracemalloc.start()
    apart = likeness(profile, candidates)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert apart.nearest_like is not None
    assert together.nearest_like is not None
    nearest = np.einsum("ij,ij->i", candidates.units, likes.units[apart.nearest_like])
    assert_close(nearest, np.einsum("ij,ij->i", candidates.units, likes.units[together.nearest_like]))
    for name, values in vars(together).items():
        if name != "nearest_like":
            assert_close(getattr(apart, name), values)
    cosines = dict(similarities(profile, candidates))["words"]
    for rows in (slice(0, 3), slice(-3, None)):
        few = build_profile(likes.take(range(1_100)[rows]))
        assert_close(dict(similarities(few, candidates))["words"], cosines[rows])
    # One of the six matrices takes 2.6 MB. All of them, with all common terms of any two papers, took 100 MB.
    assert peak < 60e6
