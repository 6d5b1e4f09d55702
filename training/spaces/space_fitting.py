"""Fits the spaces of a bundle, without a factor map, on the papers that training may see."""

from collections.abc import Sequence
from dataclasses import dataclass

from ranker.spaces.spaces import PaperMatrix, Spaces
from ranker.spaces.statistics import blended
from training.data.snapshot import Dataset, Likes
from training.spaces.topic_fitting import fit_topics


@dataclass(frozen=True)
class LikedPapers:
    """The papers of one data set, and the likes that a factor map may learn from."""

    papers: PaperMatrix
    likes: Likes


def fit_spaces(datasets: Sequence[Dataset], topic_count: int = 0) -> Spaces:
    """Return spaces without a map. Each data set weighs the same, so that a big one does not set the scale for all.

    Args:
        topic_count: Greatest number of topics; 0 fits none.
    """
    prior = blended([dataset.statistics for dataset in datasets], [1.0] * len(datasets))
    return Spaces(prior, fit_topics(datasets, topic_count) if topic_count else None)
