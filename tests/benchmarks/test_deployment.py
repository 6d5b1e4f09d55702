"""Quality of a new deployment by day, on a made-up data set."""

import datetime as dt
from typing import Any

import numpy as np
import pytest

from benchmarks.quality.deployment import DAYS, SMOOTHED_DAYS, deployment
from ranker.bundle.bundle import Bundle
from ranker.papers import PaperColumns
from ranker.types import BoolArray
from testing.ranker import bundle as made_up_bundle
from testing.training import DIM, planted
from training.data.snapshot import Dataset
from training.dates import day_seconds

FIRST_DAY = dt.date(2017, 3, 27)
START = day_seconds(FIRST_DAY)
DATA = planted(dated=True, user_count=30, paper_count=600, weeks=20)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle without a training run: its trees are fitted on random papers."""
    return made_up_bundle(tmp_path_factory.mktemp("deployment") / "bundle", dim=DIM)


@pytest.fixture(scope="module")
def result(bundle: Bundle) -> dict[str, Any]:
    """Return the result for ``DATA``."""
    return deployment(DATA, bundle, FIRST_DAY)


def rewritten(rows: BoolArray) -> Dataset:
    """Return the data set with other words and vectors of these papers."""
    papers = DATA.papers
    texts = tuple("zebra giraffe" if row else text for row, text in zip(rows, papers.texts, strict=True))
    vectors = np.where(rows[:, None], -papers.embeddings, papers.embeddings)
    changed = PaperColumns(**{**vars(papers), "texts": texts, "titles": texts, "embeddings": vectors})
    return Dataset(DATA.name, changed, DATA.likes)


def test_figures_by_day(result: dict[str, Any]) -> None:
    """Every system has a figure for each day with a digest, and its mean over the last seven days."""
    days = [dt.date.fromisoformat(day) for day in result["days"]]
    assert days == sorted(set(days))
    assert FIRST_DAY <= days[0] < days[-1] < FIRST_DAY + dt.timedelta(days=DAYS)
    assert {"paperfeed", "feature-sum", "tfidf-svm", "blend"} <= set(result["ndcg@10"])
    assert set(result["systems"]) == set(result["ndcg@10"]) == set(result["ndcg@10 over seven days"])
    counts = np.array(result["queries"])
    for name, figures in result["ndcg@10"].items():
        smoothed = result["ndcg@10 over seven days"][name]
        assert len(figures) == len(smoothed) == len(counts) == len(days)
        for day in (0, 3, SMOOTHED_DAYS, len(days) - 1):
            last = slice(max(day - SMOOTHED_DAYS + 1, 0), day + 1)
            assert smoothed[day] == pytest.approx(np.average(figures[last], weights=counts[last]), abs=2e-4)


def test_lost_days_are_counted(result: dict[str, Any]) -> None:
    """Days on which the ranker is below the best baseline are counted; the feature sum is not a baseline there."""
    smoothed = {name: np.array(found) for name, found in result["ndcg@10 over seven days"].items()}
    best = np.max([found for name, found in smoothed.items() if name not in {"paperfeed", "feature-sum"}], axis=0)
    lost = smoothed["paperfeed"] < best
    assert result["days below the best baseline, of seven-day means"] == lost.sum()
    assert result["the same after the tenth day"] == lost[10:].sum()


@pytest.mark.slow
def test_the_catalog_is_empty_at_first(result: dict[str, Any], bundle: Bundle) -> None:
    """An older paper counts only if someone liked it: then it came with a library."""
    is_old = DATA.papers.published_at < START
    is_liked = np.isin(np.arange(len(DATA.papers)), DATA.likes.papers)
    assert deployment(rewritten(is_old & ~is_liked), bundle, FIRST_DAY) == result
    assert deployment(rewritten(is_old & is_liked), bundle, FIRST_DAY) != result


@pytest.mark.slow
def test_the_future_changes_no_figure(result: dict[str, Any], bundle: Bundle) -> None:
    """What comes on the twentieth day or later changes no figure of the days before."""
    day = FIRST_DAY + dt.timedelta(days=20)
    changed = deployment(rewritten(DATA.papers.published_at >= day_seconds(day)), bundle, FIRST_DAY)
    before = sum(dt.date.fromisoformat(each) < day for each in result["days"])
    assert 0 < before < len(result["days"])
    for name, figures in result["ndcg@10"].items():
        assert changed["ndcg@10"][name][:before] == figures[:before]
    assert changed["ndcg@10"] != result["ndcg@10"]
