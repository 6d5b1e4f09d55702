"""What every baseline offers: a name, and a scorer for each round, or the reason why the data cannot serve it."""

import threading
from collections.abc import Callable
from typing import Protocol

from ranker.types import Float64Array
from training.data.query_groups import Query
from training.evaluation.corpus import View
from training.evaluation.protocols import Round

Scorer = Callable[[Query], Float64Array]
"""Gives (n_candidates,) scores, higher is better and NaN worst, comparable inside the query alone."""

Opened = Scorer | str
"""A scorer, or why there is none."""


class Baseline(Protocol):
    """One way to rank without training on other readers' queries."""

    @property
    def name(self) -> str:
        """As it stands in the results."""
        ...

    def parameters(self) -> dict[str, float | int | str]:
        """What was chosen for it."""
        ...

    def open(self, view: View, this: Round) -> Opened:
        """Fits what can be shared by all queries of a round; sees nothing but ``view`` and the round's visible part."""
        ...


def once_per_query(scorer: Scorer) -> Scorer:
    """A scorer that answers the query its thread asked last without working again, so that two baselines share it."""
    last = threading.local()

    def score(query: Query) -> Float64Array:
        if getattr(last, "query", None) is not query:
            last.query, last.scores = query, scorer(query)
        found: Float64Array = last.scores
        return found

    return score
