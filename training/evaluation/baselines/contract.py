"""The interface of a baseline: a name, and a scorer for each round or the reason why there is none."""

import threading
from collections.abc import Callable
from typing import Protocol

from ranker.types import Float64Array
from training.data.query_groups import Query
from training.evaluation.corpus import View
from training.evaluation.protocols import Round

Scorer = Callable[[Query], Float64Array]
"""Returns (n_candidates,) scores, comparable within the query only; higher is better, NaN is worst."""

Opened = Scorer | str
"""A scorer, or the reason why the data have none."""


class Baseline(Protocol):
    """A ranking method without training on other users' queries."""

    @property
    def name(self) -> str:
        """The name in the results."""
        ...

    def parameters(self) -> dict[str, float | int | str]:
        """Return the chosen parameters."""
        ...

    def open(self, view: View, this: Round) -> Opened:
        """Fit what all queries of a round share, on ``view`` and the round's visible part alone."""
        ...


def once_per_query(scorer: Scorer) -> Scorer:
    """Return a scorer that caches the scores of its thread's last query, so that two baselines share the work."""
    last = threading.local()

    def score(query: Query) -> Float64Array:
        if getattr(last, "query", None) is not query:
            last.query, last.scores = query, scorer(query)
        found: Float64Array = last.scores
        return found

    return score
