"""Quality of a new deployment by day: the catalog is empty, then a digest comes every day for sixty days.

Readers bring libraries of papers that they liked before, which a service imports into its catalog. So the statistics
of the first days come from the bundle and the libraries, and later more and more from the digests. The baselines count
words and whiten vectors over the same papers.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ranker.bundle.bundle import Bundle
from training.data.query_groups import Query
from training.data.snapshot import Dataset
from training.dates import day_seconds
from training.evaluation.baselines import BASELINES
from training.evaluation.corpus import Corpus, anonymous
from training.evaluation.protocols import MIN_LIKES, Round, tie_order
from training.evaluation.ranker_system import FEATURE_SUM, NAME, RankerSystem, variant_names
from training.evaluation.scoring import Recorder
from training.progress import silent

DAYS = 60
DAY_SECONDS = 86_400.0
SMOOTHED_DAYS = 7
"""A day has some dozens of queries, so figures are also given as means over the last seven days."""
_RANKERS = (*variant_names(()), FEATURE_SUM)


def deployment(dataset: Dataset, bundle: Bundle, first_day: dt.date) -> dict[str, Any]:
    """Return nDCG@10 of each system by day.

    Args:
        first_day: The day of the first digest.
    """
    shown = replace(dataset, papers=anonymous(dataset.papers))
    recorder = Recorder("weekly-digest", Corpus.of(shown.papers), BASELINES, silent, workers=2)
    system = RankerSystem(bundle, shown.papers)
    rounds = list(_days(shown, day_seconds(first_day)))
    for this in rounds:
        recorder.run(this, system, 0)
    answers = recorder.answers()
    column = answers.metrics.index("ndcg@10")
    by_day = {name: _means(figures[:, column], answers.rounds) for name, figures in answers.figures.items()}
    baselines = [name for name in by_day if name not in _RANKERS]
    smoothed = {name: _smoothed(figures[:, column], answers.rounds) for name, figures in answers.figures.items()}
    best = np.max([smoothed[name] for name in baselines], axis=0)
    return {
        "days": [dt.datetime.fromtimestamp(this.as_of - DAY_SECONDS, dt.UTC).date().isoformat() for this in rounds],
        "queries": [len(this.queries) for this in rounds],
        "ndcg@10": {name: found.round(4).tolist() for name, found in by_day.items()},
        "ndcg@10 over seven days": {name: found.round(4).tolist() for name, found in smoothed.items()},
        "days below the best baseline, of seven-day means": int((smoothed[NAME] < best).sum()),
        "the same after the tenth day": int((smoothed[NAME] < best)[10:].sum()),
        "systems": {name: {"ndcg@10": {"mean": float(found.mean())}} for name, found in by_day.items()},
    }


def _days(dataset: Dataset, start: float) -> Iterator[Round]:
    """Yield a round for each day with a query."""
    papers, likes = dataset.papers, dataset.likes
    published = papers.published_at
    for day in range(DAYS):
        now = start + day * DAY_SECONDS
        today = np.flatnonzero((published >= now) & (published < now + DAY_SECONDS))
        candidates = tie_order(dataset, today)
        queries = []
        for user in np.unique(likes.users[np.isin(likes.papers, today)]).tolist():
            own = likes.of_user(user)
            earlier = (published[likes.papers[own]] < now) & (likes.liked_at[own] < now)
            hits = np.isin(candidates, likes.papers[own])
            if earlier.sum() >= MIN_LIKES:
                liked = likes.papers[own][earlier]
                times = likes.liked_at[own][earlier]
                queries.append(Query(user, candidates, hits, liked, times, now + DAY_SECONDS, day))
        catalog = np.flatnonzero((published >= start) & (published < now))
        if queries:
            libraries = np.unique(np.concatenate([query.liked for query in queries]))
            visible = np.union1d(catalog, libraries)
            known = likes.where(np.flatnonzero(likes.liked_at < now))
            yield Round(0, 0, visible, visible, candidates, known, now + DAY_SECONDS, tuple(queries))


def _means(figures: "np.ndarray[Any, Any]", rounds: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    return np.bincount(rounds, figures) / np.bincount(rounds)


def _smoothed(figures: "np.ndarray[Any, Any]", rounds: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return the mean over the queries of each round and the six before it."""
    sums, counts = np.bincount(rounds, figures).cumsum(), np.bincount(rounds).cumsum()
    before = np.maximum(np.arange(len(sums)) - SMOOTHED_DAYS, -1)
    return np.asarray((sums - np.append(sums, 0)[before]) / (counts - np.append(counts, 0)[before]))
