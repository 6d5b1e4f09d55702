"""Cross-fitting: the map in a training query has never seen the likes that the query asks for.

A map that had seen the answers would look better in training than on new papers, and the ranker would trust it too much
(Chernozhukov et al. 2018). The bundle's own map learns from all likes.
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
        visible: For each fold the likes that its map may see.
        of_paper: Undated data: (n,) the fold that hides each paper. Numbers from ``len(visible)`` on hide it nowhere.
        first_weeks: Dated data: (folds,) the first week of each fold; a fold ends where the next one begins.
    """

    visible: tuple[Likes, ...]
    of_paper: IndexArray | None
    first_weeks: IndexArray | None

    def __len__(self) -> int:
        return len(self.visible)

    def of_week(self, week: int) -> int:
        """Return the fold of a week; ``NO_FOLD`` before the first fold."""
        first_weeks = () if self.first_weeks is None else self.first_weeks
        return int(np.searchsorted(first_weeks, week, side="right")) - 1


def split_likes(dataset: Dataset, count: int, rng: np.random.Generator) -> Folds:
    """Split the likes of a data set into folds.

    Undated papers fall into five random parts, of which ``count`` (at most five) are hidden in turn. Dated likes are
    cut at ``count`` weeks; each fold sees the likes before its first week.
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
