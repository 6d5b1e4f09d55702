import datetime as dt

import numpy as np
import pytest
import pytrec_eval

from tests.training.evaluation.builders import FIRST_DAY, dated, undated
from training.data.snapshot import Dataset
from training.evaluation.baselines import Baseline, Opened, mean_cosine, popularity, recency
from training.evaluation.corpus import Corpus, View
from training.evaluation.protocols import Round, cold_items, weekly_digest
from training.evaluation.scoring import METRICS, Recorder
from training.progress import silent

MEAN_COSINE = Baseline("mean-cosine", mean_cosine)
THEIRS = {
    "recall@5": "recall_5",
    "recall@50": "recall_50",
    "recall@100": "recall_100",
    "ndcg@10": "ndcg_cut_10",
    "ndcg@20": "ndcg_cut_20",
    "mrr": "recip_rank",
}


def recorded(protocol: str, dataset: Dataset, rounds: list[Round]) -> Recorder:
    """Return a recorder after some rounds with a few baselines."""
    some = (MEAN_COSINE, Baseline("recency", recency), Baseline("popularity", popularity))
    recorder = Recorder(protocol, Corpus.of(dataset.papers), some, silent)
    for this in rounds:
        recorder.run(this, None, 0)
    return recorder


@pytest.mark.parametrize("protocol", ["cold-items", "weekly-digest"])
def test_figures_are_trec_eval_s(protocol: str) -> None:
    """Every figure of every query equals that of trec_eval."""
    if protocol == "cold-items":
        data = undated()
        rounds = [cold_items(data, 1)]
    else:
        data = dated()
        rounds = list(weekly_digest(data, FIRST_DAY, dt.date(2017, 6, 30), 1))
    answers = recorded(protocol, data, rounds).answers()
    figures, number = answers.figures["mean-cosine"], 0
    for this in rounds:
        score = mean_cosine(Corpus.of(data.papers).view(this.visible, this.candidates), this)
        for query in this.queries:
            ids = [str(row) for row in query.candidates]
            labels = dict(zip(ids, query.relevant.astype(int).tolist(), strict=True))
            run = dict(zip(ids, score(query).tolist(), strict=True))
            judge = pytrec_eval.RelevanceEvaluator({"q": labels}, {"recall.5,50,100", "ndcg_cut.10,20", "recip_rank"})
            found = judge.evaluate({"q": run})["q"]
            assert figures[number] == pytest.approx([found[THEIRS[name]] for name in METRICS[protocol]])
            number += 1
    assert number == len(figures) > 20


def test_skipped() -> None:
    """A baseline that cannot rank the data is skipped with its reason; the others have figures for each query."""
    data = undated()
    answers = recorded("cold-items", data, [cold_items(data, 1), cold_items(data, 2, group=1)]).answers()
    assert set(answers.skipped) == {"recency", "popularity"}
    assert set(answers.figures) == {"mean-cosine"}
    assert answers.figures["mean-cosine"].shape == (len(answers.users), 3)
    assert set(answers.groups) == {0, 1}
    assert answers.warnings == ()


def test_tops() -> None:
    """The recorded list holds the query's best candidates, best first."""
    data = undated()
    this = cold_items(data, 1)
    recorder = Recorder("cold-items", Corpus.of(data.papers), (MEAN_COSINE,), silent)
    recorder.run(this, None, 0)
    score = mean_cosine(Corpus.of(data.papers).view(this.visible, this.candidates), this)
    best = this.candidates[np.argsort(-score(this.queries[0]), kind="stable")[:20]]
    assert (recorder.answers().tops["mean-cosine"][0] == best).all()


def test_partly_served() -> None:
    """A baseline that cannot rank some rounds gives a warning."""
    data = undated()
    recorder = Recorder("cold-items", Corpus.of(data.papers), (Baseline("sometimes", not_today),), silent)
    for group in (0, 1):
        recorder.run(cold_items(data, group, group), None, 0)
    answers = recorder.answers()
    assert answers.skipped == {}
    assert answers.warnings == ("sometimes ranks nothing in 1 of 2 rounds: not today",)


def not_today(_view: View, this: Round) -> Opened:
    """Rank nothing except in the first group."""
    return "not today" if this.group else (lambda query: np.zeros(len(query.candidates)))
