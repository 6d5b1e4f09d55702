"""Puts every query to every system. Figures and the tops of the lists are kept, scores are not."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ranker.types import BoolArray, Float64Array, IndexArray
from training.data.query_groups import Query
from training.evaluation.baselines import Baseline
from training.evaluation.corpus import Corpus
from training.evaluation.protocols import Round
from training.evaluation.ranker_system import RankerSystem
from training.metrics import ndcg, recall, reciprocal_rank
from training.progress import Progress

Metric = Callable[[BoolArray], float]

Answer = tuple[list[float], IndexArray]
"""The figures of one system on one query, and the (top,) rows of its best papers, padded with -1."""

METRICS: Mapping[str, Mapping[str, Metric]] = {
    "cold-items": {
        "recall@50": lambda hits: recall(hits, 50),
        "recall@100": lambda hits: recall(hits, 100),
        "ndcg@20": lambda hits: ndcg(hits, 20),
    },
    "weekly-digest": {
        "ndcg@10": lambda hits: ndcg(hits, 10),
        "mrr": reciprocal_rank,
        "recall@5": lambda hits: recall(hits, 5),
    },
}

TOP = {"cold-items": 20, "weekly-digest": 10}
"""Length of the lists whose tops are kept."""


@dataclass(frozen=True)
class Answers:
    """The answers of the systems to q queries.

    Attributes:
        users: (q,) user of each query.
        groups: (q,) see ``Round.group``.
        rounds: (q,) number of the round, ascending.
        like_counts: (q,) number of likes in the profile.
        candidate_counts: (q,) number of candidates.
        figures: System to (q, metrics) float64.
        tops: System to (q, top) rows of papers, padded with -1.
        skipped: System to the reason why it ranks nothing.
        warnings: One sentence for each system that ranks nothing in some rounds.
    """

    metrics: tuple[str, ...]
    users: IndexArray
    groups: IndexArray
    rounds: IndexArray
    like_counts: IndexArray
    candidate_counts: IndexArray
    figures: Mapping[str, Float64Array]
    tops: Mapping[str, IndexArray]
    skipped: Mapping[str, str]
    warnings: tuple[str, ...]


class Recorder:
    """Collects answers round by round."""

    def __init__(
        self, protocol: str, corpus: Corpus, baselines: Sequence[Baseline], progress: Progress, workers: int = 1
    ) -> None:
        """Start without answers; ``workers`` queries are answered at a time."""
        self._metrics = METRICS[protocol]
        self._top = TOP[protocol]
        self._corpus = corpus
        self._baselines = tuple(baselines)
        self._progress = progress
        self._workers = workers
        self._found: dict[str, list[Answer]] = {}
        self._facts: list[tuple[int, int, int, int, int]] = []
        self._unserved: dict[str, list[str]] = {}
        self._rounds = 0

    def run(self, this: Round, system: RankerSystem | None, total: int) -> None:
        """Put the queries of a round to all systems.

        Args:
            system: The trained ranker; None tests only the baselines.
            total: Number of queries of all rounds, for the progress callback.
        """
        view = self._corpus.view(this.visible, this.candidates)
        opened = {baseline.name: baseline.open(view, this) for baseline in self._baselines}
        for name, reason in opened.items():
            if isinstance(reason, str):
                self._unserved.setdefault(name, []).append(reason)
        variants = None if system is None else system.open(this)

        def answered(query: Query) -> dict[str, Answer]:
            found = {} if variants is None else variants(query)
            for name, scorer in opened.items():
                found[name] = np.zeros(len(query.candidates)) if isinstance(scorer, str) else scorer(query)
            return {name: self._answer(query, scores) for name, scores in found.items()}

        # Threads suffice: the heavy parts (trees, BLAS, solvers) release the interpreter's lock.
        with ThreadPoolExecutor(self._workers) as pool:
            for query, answers in zip(this.queries, pool.map(answered, this.queries), strict=True):
                for name, answer in answers.items():
                    self._found.setdefault(name, []).append(answer)
                self._facts.append((query.user, this.group, self._rounds, len(query.liked), len(query.candidates)))
                self._progress("scoring", len(self._facts), total)
        self._rounds += 1

    def answers(self) -> Answers:
        """Return all answers."""
        users, groups, rounds, like_counts, candidate_counts = np.array(self._facts, dtype=np.intp).reshape(-1, 5).T
        skipped = {name: reasons[0] for name, reasons in self._unserved.items() if len(reasons) == self._rounds}
        partly = tuple(
            f"{name} ranks nothing in {len(reasons)} of {self._rounds} rounds: {reasons[0]}"
            for name, reasons in self._unserved.items()
            if name not in skipped
        )
        kept = {name: found for name, found in self._found.items() if name not in skipped}
        return Answers(
            tuple(self._metrics),
            *(users, groups, rounds, like_counts, candidate_counts),
            figures={name: np.array([figures for figures, _ in found]) for name, found in kept.items()},
            tops={name: np.stack([top for _, top in found]) for name, found in kept.items()},
            skipped=skipped,
            warnings=partly,
        )

    def _answer(self, query: Query, scores: Float64Array) -> Answer:
        """Return the figures of a query and the top of its list."""
        # NaN sorts last; equal scores keep the candidates' order, which does not depend on labels.
        order = np.argsort(-scores, kind="stable")
        hits = query.relevant[order]
        top = np.full(self._top, -1, dtype=np.intp)
        best = query.candidates[order[: self._top]]
        top[: len(best)] = best
        return [metric(hits) for metric in self._metrics.values()], top
