"""Baselines: the systems without a trained ranker that paperfeed has to beat. They learn nothing from other users."""

import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranker.types import Float32Array, Float64Array, IndexArray
from training.data.query_groups import Query
from training.evaluation.corpus import View, without
from training.evaluation.protocols import Round

REGULARISATION = 0.1
NEGATIVE_COUNT = 2_000
REGRESSION_DAMPING = 3.0
BLEND_DAMPING = 1.0
BLEND_NEAREST = 10

Scorer = Callable[[Query], Float64Array]
"""Returns (n_candidates,) scores, comparable within the query only; higher is better, NaN is worst."""

Opened = Scorer | str
"""A scorer, or the reason why the data have none."""


@dataclass(frozen=True)
class Baseline:
    """A ranking method without training on other users' queries.

    Attributes:
        name: The name in the results.
        open: Fits what all queries of a round share, on the view and the round's visible part alone.
        parameters: The chosen parameters; none where a method has none, or is used as published.
    """

    name: str
    open: Callable[[View, Round], Opened]
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)


def mean_cosine(view: View, this: Round) -> Scorer:
    """Score as zotero-arxiv-daily: by the mean cosine to the likes, where newer likes weigh more."""
    cosines = _cosines(view.units, view, this)
    return lambda query: np.asarray(cosines(query) @ recency_weights(query.liked_at), dtype=np.float64)


def nearest_like(view: View, this: Round) -> Scorer:
    """Score by the cosine to the nearest like."""
    cosines = _cosines(view.units, view, this)
    return lambda query: np.asarray(cosines(query).max(axis=1), dtype=np.float64)


def recency(view: View, this: Round) -> Opened:
    """Rank the newest first."""
    published = view.published_at[view.local(this.candidates)]
    if np.isnan(published).all():
        return "no candidate has a date"
    scores = np.nan_to_num(published, nan=-np.inf)
    return lambda _query: scores


def popularity(_view: View, this: Round) -> Opened:
    """Rank the most liked first."""
    if not np.isin(this.likes.papers, this.candidates).any():
        return "no candidate has a like that may be seen"
    top = max(int(this.likes.papers.max()), int(this.candidates.max()))
    scores = np.bincount(this.likes.papers, minlength=top + 1)[this.candidates].astype(np.float64)
    return lambda _query: scores


def tfidf_svm(view: View, this: Round) -> Opened:
    """Score as arxiv-sanity-lite: by a linear SVM on TF-IDF of words and word pairs."""
    from sklearn.svm import LinearSVC  # noqa: PLC0415 (two seconds to import)

    def classifier() -> Any:
        return LinearSVC(C=REGULARISATION, class_weight="balanced", random_state=0, max_iter=10_000, tol=1e-3)

    if not view.tfidf.nnz:
        return "the papers have no words"
    if "tfidf-svm" not in view.shared:
        view.shared["tfidf-svm"] = _linear_scorer(view, this, view.tfidf, classifier)
    found: Opened = view.shared["tfidf-svm"]
    return found


def logistic_regression(view: View, this: Round) -> Opened:
    """Score as Scholar Inbox: by a logistic regression on the papers' vectors; here they are whitened."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 (two seconds to import)

    def classifier() -> Any:
        return LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=300, tol=1e-3)

    return _linear_scorer(view, this, view.whitened(REGRESSION_DAMPING), classifier)


def blend(view: View, this: Round) -> Opened:
    """Add the rank by ``tfidf_svm`` and the rank by the mean of the nearest likes in the whitened space."""
    by_words = tfidf_svm(view, this)
    if isinstance(by_words, str):
        return by_words
    cosines = _cosines(view.whitened(BLEND_DAMPING), view, this)
    return lambda query: -(ranks(by_words(query)) + ranks(nearest_mean(cosines(query))))


_LINEAR: dict[str, float | int | str] = {"C": REGULARISATION, "negatives": NEGATIVE_COUNT}

# The parameters were chosen on the dev split (docs/train.md). Results show the baselines in this order.
BASELINES = (
    Baseline("mean-cosine", mean_cosine),
    Baseline("nearest-like", nearest_like),
    Baseline("tfidf-svm", tfidf_svm, _LINEAR),
    Baseline(
        "logistic-regression", logistic_regression, {**_LINEAR, "space": f"whitened, damping {REGRESSION_DAMPING}"}
    ),
    Baseline("blend", blend, {**_LINEAR, "damping": BLEND_DAMPING, "nearest": BLEND_NEAREST}),
    Baseline("recency", recency),
    Baseline("popularity", popularity),
)


def recency_weights(liked_at: Float64Array) -> Float64Array:
    """Return (n_likes,) weights 1 / (1 + log10(rank)) with rank 1 for the newest like, scaled to sum 1.

    Unknown times count as oldest; all equal where no time is known.
    """
    if np.isnan(liked_at).all():
        return np.full(len(liked_at), 1 / len(liked_at))
    newest_first = np.argsort(-np.nan_to_num(liked_at, nan=-np.inf), kind="stable")
    weights = np.empty(len(liked_at))
    weights[newest_first] = 1 / (1 + np.log10(np.arange(1, len(liked_at) + 1)))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def nearest_mean(cosines: Float32Array) -> Float64Array:
    """Return (n_candidates,) means of the ``BLEND_NEAREST`` greatest of (n_candidates, n_likes) cosines."""
    return np.asarray(np.sort(cosines, axis=1)[:, -BLEND_NEAREST:].mean(axis=1), dtype=np.float64)


def ranks(scores: Float64Array) -> Float64Array:
    """Return (n,) ranks, 0 for the highest score; equal scores share the mean of their ranks."""
    _, inverse, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    return np.asarray(np.cumsum(counts) - (counts + 1) / 2, dtype=np.float64)[inverse]


def draw_negatives(view_ids: tuple[str, ...], this: Round, liked: IndexArray, count: int) -> IndexArray:
    """Return rows of visible papers that the user did not like, ascending.

    The draw depends on the round's seed and on the ids of the likes. It does not depend on row or user numbers, which
    later papers and users would shift.
    """
    pool = without(this.negatives, liked)
    name = zlib.crc32("\n".join(view_ids[row] for row in liked.tolist()).encode())
    rng = np.random.default_rng([this.seed, name])
    return np.sort(rng.choice(pool, min(count, len(pool)), replace=False))


def _cosines(space: Float32Array, view: View, this: Round) -> Callable[[Query], Float32Array]:
    """Return a function that gives the (n_candidates, n_likes) cosines of a query in a space of the view."""
    candidates = space[view.local(this.candidates)]
    return lambda query: np.asarray(candidates @ space[view.local(query.liked)].T)


def _linear_scorer(view: View, this: Round, vectors: Any, classifier: Callable[[], Any]) -> Opened:
    """Return a scorer by the distance from the plane that separates likes from papers drawn at random.

    The scorer keeps the scores of its thread's last query, so that two baselines share the work.

    Args:
        vectors: (rows of the view, d) dense or sparse.
        classifier: Returns an unfitted classifier.
    """
    longest = max(len(query.liked) for query in this.queries)
    if len(this.negatives) <= longest:
        return "there are no papers besides the likes to serve as negatives"
    candidates = vectors[view.local(this.candidates)]
    last = threading.local()

    def score(query: Query) -> Float64Array:
        if getattr(last, "query", None) is not query:
            negatives = draw_negatives(view.paper_ids, this, query.liked, NEGATIVE_COUNT)
            rows = view.local(np.concatenate((query.liked, negatives)))
            fitted = classifier().fit(vectors[rows], np.arange(len(rows)) < len(query.liked))
            last.query, last.scores = query, np.asarray(fitted.decision_function(candidates), dtype=np.float64)
        found: Float64Array = last.scores
        return found

    return score
