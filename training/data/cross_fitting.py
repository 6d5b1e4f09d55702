"""Which likes a map may learn from when it serves in training queries: never those that the query asks for.

A map that had seen the answers would look better in training than it ever is on new papers, and the ranker would trust
it too much (cross-fitting, Chernozhukov et al. 2018). The bundle's own map then learns from all likes.
"""

from dataclasses import dataclass

import numpy as np

from ranker.types import IndexArray
from training.data.snapshot import Dataset, Likes
from training.data.weeks import week_of

PAPER_FOLDS = 5
NO_FOLD = -1


@dataclass(frozen=True)
class Folds:
    """The folds of one data set.

    Attributes:
        visible: For each fold the likes that a map may see.
        of_paper: Undated data: (n,) the fold in which each paper is hidden; some are in none of ``visible``.
        first_weeks: Dated data: (folds,) the first week that each fold serves; it serves until the next one begins.
    """

    visible: tuple[Likes, ...]
    of_paper: IndexArray | None
    first_weeks: IndexArray | None

    def __len__(self) -> int:
        return len(self.visible)

    def of_week(self, week: int) -> int:
        """The fold whose map may serve in that week; ``NO_FOLD`` where it is too early for any."""
        first_weeks = () if self.first_weeks is None else self.first_weeks
        return int(np.searchsorted(first_weeks, week, side="right")) - 1


def split_likes(dataset: Dataset, count: int, rng: np.random.Generator) -> Folds:
    """The folds of a data set.

    Undated papers fall into five parts at random, of which ``count`` (at most five) are hidden in turn. Dated likes are
    cut at ``count`` weeks, each part learning from what came before it.
    """
    likes = dataset.likes
    if dataset.dated:
        weeks = week_of(likes.liked_at)
        shares = np.arange(1, count + 1) / (count + 1)
        first_weeks = np.unique(np.quantile(weeks[weeks >= 0], shares, method="higher")).astype(np.intp)
        visible = tuple(likes.where(np.flatnonzero(weeks < week)) for week in first_weeks)
        return Folds(visible, None, first_weeks)
    of_paper = rng.permutation(len(dataset.papers)) % PAPER_FOLDS
    visible = tuple(likes.where(np.flatnonzero(of_paper[likes.papers] != fold)) for fold in range(count))
    return Folds(visible, of_paper, None)
