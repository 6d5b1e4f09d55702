"""The trained ranker as a system under test."""

from collections.abc import Callable, Sequence

import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.features import SCHEMA, compute_matrix
from ranker.papers import PaperColumns
from ranker.profile.profile import build_profile
from ranker.spaces.linear import unit_rows
from ranker.spaces.statistics import count_corpus, count_terms
from ranker.types import Float32Array, Float64Array
from training.data.query_groups import Query
from training.evaluation.baselines import Baseline, Scorer
from training.evaluation.corpus import View
from training.evaluation.protocols import Round

NAME = "paperfeed"
RIVAL = "serving-bundle"
"""Another bundle, judged beside the first as if it were a baseline."""
FEATURE_SUM = "feature-sum"
"""The baseline without trees: the sum of three features that say how far a paper stands out. The trees must beat it."""
FEATURE_WEIGHTS = {
    "embedding_linear_relative": 1.0,
    "text_linear_relative": 1.0,
    "topic_category_overlap_relative": 0.5,
}

VariantScorer = Callable[[Query], dict[str, Float64Array]]


def variant_names(masked_families: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the bundle, and of the bundle with each of the families masked."""
    return (NAME, *(f"{NAME}-without-{family}" for family in masked_families))


def feature_sum(features: Float32Array) -> Float64Array:
    """Return the weighted sum of each row's ``FEATURE_WEIGHTS``; (n,), unknown values count as 0."""
    columns = [SCHEMA.names.index(name) for name in FEATURE_WEIGHTS]
    return np.asarray(np.nan_to_num(features[:, columns]) @ np.array(list(FEATURE_WEIGHTS.values())))


class RankerSystem:
    """A bundle, the same bundle with each masked family, and the baseline ``FEATURE_SUM``; they share all features.

    In each round the bundle is adapted to the visible papers, as to the catalog of a service.

    Args:
        columns: All papers, see ``training.evaluation.corpus.anonymous``.
    """

    def __init__(self, bundle: Bundle, columns: PaperColumns, masked_families: Sequence[str] = ()) -> None:
        self._bundle = bundle
        self._columns = columns
        self._counts = count_terms(columns.texts)
        self._units = unit_rows(columns.embeddings)
        self._masked = tuple(masked_families)

    @property
    def version(self) -> str:
        """The version of the bundle."""
        return self._bundle.version

    def open(self, this: Round) -> VariantScorer:
        """Return a scorer for the round that gives (n_candidates,) scores for each variant and for ``FEATURE_SUM``."""
        visible = count_corpus(self._counts.take(this.visible), self._units[this.visible])
        spaces = self._bundle.spaces.adapted(visible)
        used = np.unique(np.concatenate([this.candidates, *(query.liked for query in this.queries)]))
        matrix = spaces.matrix(self._columns.take(used.tolist()), self._counts.take(used))
        candidates = matrix.take(np.searchsorted(used, this.candidates).tolist())

        def score(query: Query) -> dict[str, Float64Array]:
            likes = matrix.take(np.searchsorted(used, query.liked).tolist())
            features = compute_matrix(build_profile(likes, None, query.liked_at), candidates, this.as_of)
            model, found = self._bundle.model, {}
            for name, family in zip(variant_names(self._masked), (None, *self._masked), strict=True):
                shown = features
                if family is not None:
                    shown = features.copy()
                    shown[:, SCHEMA.columns_of(family)] = np.nan
                found[name] = model.scores(shown, model.leaves(shown))
            return {**found, FEATURE_SUM: feature_sum(features)}

        return score


def as_baseline(bundle: Bundle, columns: PaperColumns) -> Baseline:
    """Return a bundle as the baseline ``RIVAL``; see ``RankerSystem`` for the arguments."""
    system = RankerSystem(bundle, columns)

    def opened(_view: View, this: Round) -> Scorer:
        score = system.open(this)
        return lambda query: score(query)[NAME]

    return Baseline(RIVAL, opened, {})
