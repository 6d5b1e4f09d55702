"""Baselines that are the same for all users."""

from dataclasses import dataclass

import numpy as np

from training.evaluation.baselines.contract import Opened
from training.evaluation.corpus import View
from training.evaluation.protocols import Round


@dataclass(frozen=True)
class Recency:
    """Newest first."""

    name: str = "recency"

    def parameters(self) -> dict[str, float | int | str]:
        """Return no parameters."""
        return {}

    def open(self, view: View, this: Round) -> Opened:
        """Return a scorer for the round, or the reason why there is none."""
        published = view.published_at[view.local(this.candidates)]
        if np.isnan(published).all():
            return "no candidate has a date"
        scores = np.nan_to_num(published, nan=-np.inf)
        return lambda _query: scores


@dataclass(frozen=True)
class Popularity:
    """Most liked first."""

    name: str = "popularity"

    def parameters(self) -> dict[str, float | int | str]:
        """Return no parameters."""
        return {}

    def open(self, _view: View, this: Round) -> Opened:
        """Return a scorer for the round, or the reason why there is none."""
        if not np.isin(this.likes.papers, this.candidates).any():
            return "no candidate has a like that may be seen"
        top = max(int(this.likes.papers.max()), int(this.candidates.max()))
        scores = np.bincount(this.likes.papers, minlength=top + 1)[this.candidates].astype(np.float64)
        return lambda _query: scores
