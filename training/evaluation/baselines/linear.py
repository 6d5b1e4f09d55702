"""Baselines that fit a linear classifier for each user: likes against papers drawn at random."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranker.types import Float64Array, IndexArray
from training.data.query_groups import Query
from training.evaluation.baselines.contract import Opened, Scorer, once_per_query
from training.evaluation.corpus import View, without
from training.evaluation.protocols import Round


@dataclass(frozen=True)
class TfidfSvm:
    """arxiv-sanity-lite: a linear SVM on TF-IDF of words and word pairs."""

    regularisation: float = 0.1
    negative_count: int = 2_000
    name: str = "tfidf-svm"

    def parameters(self) -> dict[str, float | int | str]:
        """Return C and the number of negatives."""
        return {"C": self.regularisation, "negatives": self.negative_count}

    def open(self, view: View, this: Round) -> Opened:
        """Return a scorer for the round, or the reason why there is none."""
        from sklearn.svm import LinearSVC  # noqa: PLC0415 (two seconds to import)

        def classifier() -> Any:
            return LinearSVC(C=self.regularisation, class_weight="balanced", random_state=0, max_iter=10_000, tol=1e-3)

        if not view.tfidf.nnz:
            return "the papers have no words"
        if self not in view.shared:
            scorer = _linear_scorer(view, this, view.tfidf, self.negative_count, classifier)
            view.shared[self] = scorer if isinstance(scorer, str) else once_per_query(scorer)
        found: Opened = view.shared[self]
        return found


@dataclass(frozen=True)
class LogisticRegression:
    """Scholar Inbox: a logistic regression on the papers' vectors, whitened unless ``damping`` is None."""

    regularisation: float = 0.1
    negative_count: int = 2_000
    damping: float | None = 3.0
    name: str = "logistic-regression"

    def parameters(self) -> dict[str, float | int | str]:
        """Return C, the number of negatives and the space."""
        space = "plain" if self.damping is None else f"whitened, damping {self.damping}"
        return {"C": self.regularisation, "negatives": self.negative_count, "space": space}

    def open(self, view: View, this: Round) -> Opened:
        """Return a scorer for the round, or the reason why there is none."""
        from sklearn.linear_model import LogisticRegression as Classifier  # noqa: PLC0415 (two seconds to import)

        def classifier() -> Any:
            return Classifier(C=self.regularisation, class_weight="balanced", max_iter=300, tol=1e-3)

        vectors = view.units if self.damping is None else view.whitened(self.damping)
        return _linear_scorer(view, this, vectors, self.negative_count, classifier)


def draw_negatives(view_ids: tuple[str, ...], this: Round, liked: IndexArray, count: int) -> IndexArray:
    """Return rows of visible papers that the user did not like, ascending.

    The draw depends on the round's seed and on the ids of the likes. It does not depend on row or user numbers, which
    later papers and users would shift.
    """
    pool = without(this.negatives, liked)
    name = zlib.crc32("\n".join(view_ids[row] for row in liked.tolist()).encode())
    rng = np.random.default_rng([this.seed, name])
    return np.sort(rng.choice(pool, min(count, len(pool)), replace=False))


def _linear_scorer(view: View, this: Round, vectors: Any, negative_count: int, classifier: Any) -> Scorer | str:
    """Return a scorer by the distance from the plane that separates likes from negatives.

    Args:
        vectors: (rows of the view, d) dense or sparse.
        classifier: Returns an unfitted classifier.
    """
    longest = max(len(query.liked) for query in this.queries)
    if len(this.negatives) <= longest:
        return "there are no papers besides the likes to serve as negatives"
    candidates = vectors[view.local(this.candidates)]

    def score(query: Query) -> Float64Array:
        negatives = draw_negatives(view.paper_ids, this, query.liked, negative_count)
        rows = view.local(np.concatenate((query.liked, negatives)))
        labels = np.arange(len(rows)) < len(query.liked)
        fitted = classifier().fit(vectors[rows], labels)
        return np.asarray(fitted.decision_function(candidates), dtype=np.float64)

    return score
