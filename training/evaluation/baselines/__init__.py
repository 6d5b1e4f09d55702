"""Baselines: the systems without a trained ranker that paperfeed has to beat."""

from training.evaluation.baselines.blend import Blend
from training.evaluation.baselines.contract import Baseline, Opened, Scorer
from training.evaluation.baselines.counts import Popularity, Recency
from training.evaluation.baselines.linear import LogisticRegression, TfidfSvm
from training.evaluation.baselines.similarity import MeanCosine, NearestLike

__all__ = [
    "Baseline",
    "Blend",
    "LogisticRegression",
    "MeanCosine",
    "NearestLike",
    "Opened",
    "Popularity",
    "Recency",
    "Scorer",
    "TfidfSvm",
    "all_baselines",
]


def all_baselines() -> tuple[Baseline, ...]:
    """Return every baseline with the parameters chosen on the dev split (docs/ranking.md), in the order shown."""
    svm = TfidfSvm()
    return (MeanCosine(), NearestLike(), svm, LogisticRegression(), Blend(svm), Recency(), Popularity())
