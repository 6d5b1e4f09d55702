"""Made-up papers, spaces, models and bundles for tests of the ranker, and comparisons up to rounding."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ranker.bundle.bundle import Bundle, load_bundle, write_bundle
from ranker.features import SCHEMA, compute_matrix
from ranker.papers import PaperColumns, paper_columns
from ranker.pipeline import RankedList
from ranker.profile.profile import build_profile
from ranker.spaces.factors import FactorMap
from ranker.spaces.linear import unit_rows
from ranker.spaces.spaces import Spaces
from ranker.spaces.statistics import CorpusStatistics, count_corpus, count_terms
from ranker.spaces.terms import hashed_terms
from ranker.spaces.topics import Topics
from ranker.types import Float32Array
from testing.papers import WORDS

DIM = 16
FACTORS = 6
NOW = 1_700_000_000.0
DAY = 86_400.0
ENCODER = "made-up-encoder"
BASE = {"embedding_mean_relative": 0.25, "text_linear_relative": 0.5}
"""The sum that the trees of the made-up bundle correct."""
_WORDS = (*WORDS, "speech")


def columns(count: int, *, seed: int = 0, prefix: str = "p", dim: int = DIM) -> PaperColumns:
    """Random papers in four clusters; every fifth has no date and every seventh no upvotes."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, 4, count)
    centres = np.random.default_rng(99).standard_normal((4, dim))
    vectors = centres[cluster] + 0.7 * rng.standard_normal((count, dim))
    titles = [" ".join(_WORDS[(3 * c + i) % len(_WORDS)] for i in rng.integers(0, 5, 8)) for c in cluster]
    published = np.where(np.arange(count) % 5 == 4, np.nan, NOW - DAY * rng.integers(0, 30, count))
    return paper_columns(
        [f"{prefix}{i}" for i in range(count)],
        titles,
        vectors.astype(np.float32),
        abstracts=[f"{title} {_WORDS[i % len(_WORDS)]}" for i, title in enumerate(titles)],
        published_at=published,
        first_seen_at=np.where(np.isnan(published), np.nan, published + DAY),
        upvotes=np.where(np.arange(count) % 7 == 6, np.nan, rng.integers(0, 50, count)),
    )


def pending(papers: PaperColumns, rows: list[int]) -> PaperColumns:
    """Return the papers without the vectors of these rows."""
    vectors = papers.embeddings.copy()
    vectors[rows] = np.nan
    return PaperColumns(**{**vars(papers), "embeddings": vectors})


@cache
def spaces(dim: int = DIM) -> Spaces:
    """Spaces in which every family of features has values."""
    return Spaces(
        prior=statistics(columns(300, seed=11, prefix="known", dim=dim)),
        topics=topics(dim),
        factor_map=factor_map(dim),
    )


def statistics(papers: PaperColumns) -> CorpusStatistics:
    """The statistics of these papers."""
    return count_corpus(count_terms(papers.texts), unit_rows(papers.embeddings))


def factor_map(dim: int = DIM) -> FactorMap:
    """A random factor map that uses vectors and words."""
    rng = np.random.default_rng(6)
    buckets = np.unique(np.concatenate([hashed_terms(word)[0] for word in _WORDS])).astype(np.int32)
    offset, vector_map, term_map = (
        # Bundles keep factor maps in half precision.
        (scale * rng.standard_normal(shape)).astype(np.float16).astype(np.float32)
        for scale, shape in ((0.5, FACTORS), (1.0, (dim, FACTORS)), (0.2, (len(buckets), FACTORS)))
    )
    return FactorMap(offset, vector_map, buckets, term_map)


def topics(dim: int = DIM) -> Topics:
    """Return a topic for each of the four clusters that ``columns`` draws from."""
    centres = np.random.default_rng(99).standard_normal((4, dim))
    return Topics(
        centroids=(centres / np.linalg.norm(centres, axis=1, keepdims=True)).astype(np.float32),
        names=("graph protein", "query genome", "database kernel", "social music"),
    )


def training_features(query_count: int = 40) -> tuple[Float32Array, np.ndarray, list[int]]:
    """Feature rows, labels (1 for candidates near a like) and the sizes of the groups."""
    rng = np.random.default_rng(3)
    papers = spaces().matrix(columns(200, seed=7))
    rows, labels = [], []
    for _ in range(query_count):
        order = rng.permutation(200)
        profile = build_profile(papers.take(order[:6].tolist()))
        features = compute_matrix(profile, papers.take(order[6:46].tolist()), NOW)
        signal = named(features, "embedding_nearest") - 0.02 * np.nan_to_num(named(features, "recency_days"), nan=15)
        rows.append(features)
        labels.append((signal > np.quantile(signal, 0.8)).astype(int))
    return np.concatenate(rows), np.concatenate(labels), [40] * query_count


@cache
def model_text(tree_count: int = 25, *, constrained: bool = False) -> str:
    """A small LambdaMART model over the real schema; if it is constrained, it follows the schema's directions."""
    import lightgbm  # noqa: PLC0415

    features, labels, groups = training_features()
    data = lightgbm.Dataset(features, labels, group=groups, feature_name=list(SCHEMA.names))
    params: dict[str, Any] = {
        "objective": "lambdarank",
        "num_leaves": 8,
        "num_threads": 1,
        "deterministic": True,
        "verbose": -1,
    }
    if constrained:
        params["monotone_constraints"] = list(SCHEMA.directions)
    return lightgbm.train(params, data, tree_count).model_to_string()


def bundle(folder: Path, text: str | None = None, dim: int = DIM) -> Bundle:
    """A bundle with ``BASE`` for vectors of this length that was written to ``folder`` and loaded again."""
    write_bundle(
        folder,
        model_text=text or model_text(),
        base=BASE,
        spaces=spaces(dim),
        encoder_name=ENCODER,
        recipe="test",
        fingerprint="0" * 64,
        created_at="2024-01-01T00:00:00+00:00",
        metrics={"made-up": {"ndcg@10": 0.5}},
    )
    return load_bundle(folder, encoder=ENCODER)


def named(features: Float32Array, name: str) -> Float32Array:
    """The values of one feature; the features are the last axis of the array."""
    found: Float32Array = features[..., SCHEMA.names.index(name)]
    return found


def computed_values() -> Float32Array:
    """All features of one user and the factors of the candidates, flattened."""
    candidates, likes = spaces().matrix(pending(columns(77), [5])), spaces().matrix(columns(30, seed=1, prefix="l"))
    assert candidates.factors is not None
    features = compute_matrix(build_profile(likes), candidates, NOW)
    return np.concatenate((features.ravel(), candidates.factors.ravel()))


def assert_close(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Two arrays agree up to rounding and are NaN at the same places."""
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def assert_lists_agree(found: RankedList, expected: RankedList) -> None:
    """Two lists hold the same papers and values up to rounding; only papers of equal scores may swap places."""
    assert found.scored_by is expected.scored_by
    swapped = found.rows != expected.rows
    assert_close(found.scores[swapped], expected.scores[swapped])
    ours, theirs = np.argsort(found.rows), np.argsort(expected.rows)
    assert np.array_equal(found.rows[ours], expected.rows[theirs])
    assert_close(found.scores[ours], expected.scores[theirs])
    assert_close(found.features[ours], expected.features[theirs])
    for one, other in zip(ours.tolist(), theirs.tolist(), strict=True):
        for left, right in zip(found.reasons[one], expected.reasons[other], strict=True):
            assert left._replace(similarity=None) == right._replace(similarity=None)
            assert_close(left.similarity or 0, right.similarity or 0)
