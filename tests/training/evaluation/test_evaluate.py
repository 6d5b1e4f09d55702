import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranker.bundle.bundle import Bundle, load_bundle, write_bundle
from ranker.papers import PaperColumns
from testing.ranker import BASE, model_text, spaces
from testing.training import DIM, MONDAY, WEEK, planted
from tests.training.evaluation.builders import FIRST_DAY, dated, undated, with_paper
from training import train
from training.data.snapshot import Dataset, Likes
from training.errors import EvaluationError, TrainingError
from training.evaluation import Plan, evaluate
from training.evaluation.baselines import BASELINES, Baseline, mean_cosine
from training.evaluation.corpus import Corpus, anonymous
from training.evaluation.protocols import Round, known_before, weekly_digest
from training.evaluation.ranker_system import RankerSystem
from training.recipes import find_recipe

WEEKLY = Plan(
    "weekly-digest", first_day=dt.date(2017, 8, 1), last_day=dt.date(2017, 8, 31), recipe="tiny", max_users=20
)
MEAN_COSINE = Baseline("mean-cosine", mean_cosine)
COLD = Plan("cold-items", seeds=(1, 2), recipe="tiny", max_users=20)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Write a bundle without a training run: its trees are fitted on random papers."""
    folder = tmp_path_factory.mktemp("evaluate") / "bundle"
    write_bundle(
        folder,
        model_text=model_text(),
        base=BASE,
        spaces=spaces(DIM),
        encoder_name="made-up",
        recipe="tiny",
        fingerprint="0" * 64,
        created_at="2024-01-01T00:00:00+00:00",
        params={"recipe": find_recipe("tiny").as_params()},
    )
    return load_bundle(folder, encoder="made-up")


@pytest.fixture(scope="module")
def trained_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Train a bundle on other data of the same kind."""
    folder = tmp_path_factory.mktemp("evaluate") / "trained"
    train([planted(dated=True, seed=5)], folder, encoder_name="made-up", recipe="tiny", seed=1)
    return load_bundle(folder, encoder="made-up")


def run(
    dataset: Dataset, plan: Plan, bundle: Bundle | None, baselines: Sequence[Baseline] = BASELINES
) -> dict[str, Any]:
    """Run an evaluation and drop the times, which differ from run to run."""
    result = evaluate(dataset, plan, bundle=bundle, encoder_name="made-up", baselines=baselines)
    del result["settings"]["durations_seconds"]
    return result


def scores_of(dataset: Dataset, bundle: Bundle, last_day: dt.date) -> dict[tuple[str, float, str], np.ndarray]:
    """Return system, week and profile to scores, for all weeks up to a day."""
    hidden = replace(dataset, papers=anonymous(dataset.papers))
    corpus, system = Corpus.of(hidden.papers), RankerSystem(bundle, hidden.papers, ("text",))
    found: dict[tuple[str, float, str], np.ndarray] = {}

    def keep(name: str, this: Round, liked: np.ndarray, scores: np.ndarray) -> None:
        profile = ",".join(hidden.papers.paper_ids[row] for row in liked)
        found[name, this.as_of, profile] = scores

    for this in weekly_digest(hidden, FIRST_DAY, last_day, 1):
        view = corpus.view(this.visible, this.candidates)
        opened = {baseline.name: baseline.open(view, this) for baseline in BASELINES}
        ranker = system.open(this)
        for query in this.queries:
            for name, score in opened.items():
                if not isinstance(score, str):
                    keep(name, this, query.liked, score(query))
            for name, scores in ranker(query).items():
                keep(name, this, query.liked, scores)
    return found


@pytest.mark.slow
def test_the_future_changes_no_score(bundle: Bundle) -> None:
    """A later paper and later likes change no bit of any score of any system."""
    last_week, last_day = 29, dt.date(2017, 7, 24)
    data = with_paper(dated(), MONDAY + 30.5 * WEEK)
    old = np.flatnonzero(data.papers.published_at < MONDAY + 10 * WEEK)[:3]
    likes = data.likes
    late = MONDAY + (last_week + 0.5) * WEEK
    data = replace(
        data,
        likes=Likes.of(
            [*likes.users.tolist(), 2, 3, 4],
            [*likes.papers.tolist(), *old.tolist()],
            [*likes.liked_at.tolist(), late, late + WEEK, late + 2 * WEEK],
        ),
    )
    plain, planted_scores = scores_of(dated(), bundle, last_day), scores_of(data, bundle, last_day)
    assert len(plain) > 500
    assert {name for name, _, _ in plain} >= {"paperfeed", "paperfeed-without-text", "feature-sum", "blend", "recency"}
    assert plain.keys() == planted_scores.keys()
    assert all((plain[key] == planted_scores[key]).all() for key in plain)


def test_the_future_changes_no_retrained_bundle() -> None:
    """With --retrain, data from the first day on are not trained on."""
    moment = MONDAY + 30 * WEEK
    assert known_before(with_paper(dated(), moment), moment).fingerprint == known_before(dated(), moment).fingerprint


@pytest.mark.parametrize("plan", [WEEKLY, pytest.param(replace(WEEKLY, retrain=True), marks=pytest.mark.slow)])
def test_authors_change_nothing(bundle: Bundle, plan: Plan) -> None:
    """Shuffled authors give the same result, with a given bundle and with a trained one."""
    data = dated()
    names = [(f"Author {i % 40}",) for i in range(len(data.papers))]
    results = []
    for order in (np.arange(len(names)), np.random.default_rng(0).permutation(len(names))):
        papers = PaperColumns(**{**vars(data.papers), "authors": tuple(names[i] for i in order)})
        results.append(run(replace(data, papers=papers), plan, None if plan.retrain else bundle))
    assert results[0] == results[1]


@pytest.mark.slow
def test_weekly_result(trained_bundle: Bundle) -> None:
    """The result is JSON with every promised part, and finds the planted truth."""
    result = run(dated(), replace(WEEKLY, masked_families=("text",), max_users=None), trained_bundle)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert set(result["skipped"]) == {"popularity"}
    expected = ["paperfeed", "paperfeed-without-text", "feature-sum", "mean-cosine", "nearest-like", "tfidf-svm"]
    assert list(result["systems"]) == [*expected, "logistic-regression", "blend", "recency"]
    assert set(result["systems"]["paperfeed"]) == {"ndcg@10", "mrr", "recall@5"}
    assert result["systems"]["paperfeed"]["mrr"]["mean"] > result["systems"]["recency"]["mrr"]["mean"]
    assert set(result["paired"]) == {"paperfeed", "paperfeed-without-text"}
    assert result["paired"]["paperfeed"]["recency"]["ndcg@10"]["beats"]
    assert "feature-sum" in result["paired"]["paperfeed"]
    assert sum(part["queries"] for part in result["slices"]["library_size"]) == result["queries"]
    assert set(result["beyond_accuracy"]["systems"]) == set(result["systems"])
    assert result["settings"]["bundle"] == [trained_bundle.version]


@pytest.mark.slow
def test_cold_result() -> None:
    """Each seed trains its own bundle, recency and popularity are skipped, and two runs agree."""
    result = run(undated(), COLD, None)
    assert set(result["skipped"]) == {"recency", "popularity"}
    assert set(result["systems"]["blend"]) == {"recall@50", "recall@100", "ndcg@20"}
    assert len(set(result["settings"]["bundle"])) == 2
    assert result["settings"]["trained_here"]
    assert result["settings"]["readers_tested"] <= 20
    assert result == run(undated(), COLD, None)


@pytest.mark.slow
def test_training_without_a_family() -> None:
    """A bundle trained without a family does not change when the family is masked in the evaluation."""
    plan = replace(COLD, seeds=(1,), train_without=("embedding",), masked_families=("embedding", "text"))
    result = run(undated(), plan, None)
    assert result["systems"]["paperfeed"] == result["systems"]["paperfeed-without-embedding"]
    assert result["systems"]["paperfeed"] != result["systems"]["paperfeed-without-text"]


def test_workers_change_no_figure(bundle: Bundle) -> None:
    """Scoring several queries at a time gives the same result."""
    assert run(dated(), replace(WEEKLY, workers=3), bundle) == run(dated(), WEEKLY, bundle)


@pytest.mark.slow
def test_cold_items_looks_at_no_date() -> None:
    """Dates do not change any figure of cold-items."""
    with_dates = planted(dated=False)
    papers = PaperColumns(**{**vars(with_dates.papers), "published_at": np.full(400, MONDAY + 90 * WEEK)})
    likes = replace(with_dates.likes, liked_at=np.full(len(with_dates.likes.papers), MONDAY + 91 * WEEK))
    dated_run = run(replace(with_dates, papers=papers, likes=likes), replace(COLD, seeds=(1,)), None)
    assert dated_run["systems"] == run(with_dates, replace(COLD, seeds=(1,)), None)["systems"]


def test_doubts(bundle: Bundle) -> None:
    """A bundle that may have seen the answers is judged with a warning."""
    weekly, cold = run(dated(), WEEKLY, bundle, (MEAN_COSINE,)), run(undated(), COLD, bundle, (MEAN_COSINE,))
    assert "may know what is dated before 2025-10-01" in weekly["settings"]["warnings"][0]
    assert "may have seen the cold ones" in cold["settings"]["warnings"][0]


def likes(*triples: tuple[int, int, float]) -> Likes:
    """Return likes from triples of user, paper and week."""
    users, papers, weeks = zip(*triples, strict=True) if triples else ((), (), ())
    return Likes.of(users, papers, [MONDAY + week * WEEK for week in weeks])


@pytest.mark.parametrize(
    ("dataset", "plan", "problem"),
    [
        (replace(dated(), likes=likes()), WEEKLY, "no positive labels"),
        (replace(dated(), likes=likes((0, 1, 1), (0, 2, 2))), WEEKLY, "only one user"),
        (undated(), WEEKLY, "papers have no date: weekly-digest needs dates"),
        (replace(dated(), likes=undated().likes), WEEKLY, "likes have no time: weekly-digest needs dates"),
        (replace(dated(), likes=likes((0, 1, 0), (1, 2, 0))), WEEKLY, "2 of 2 likes are from before"),
        (replace(dated(), likes=likes((0, 1, 50), (1, 2, 50))), WEEKLY, "no user with 5 or more earlier likes"),
        (
            dated(),
            replace(WEEKLY, first_day=dt.date(2031, 1, 1), last_day=dt.date(2031, 2, 1)),
            "no query in the range",
        ),
        (replace(undated(), likes=likes((0, 1, 1), (1, 2, 1))), COLD, "no user has 5 or more likes of warm papers"),
    ],
)
def test_what_is_missing_is_said(dataset: Dataset, plan: Plan, problem: str) -> None:
    """Data that do not suit the protocol are refused with the reason, before any training."""
    with pytest.raises(EvaluationError, match=problem):
        evaluate(dataset, plan, bundle=None, encoder_name="made-up")


def test_some_doubtful_times(bundle: Bundle) -> None:
    """A warning counts likes from before their paper's date, and likes without a time."""
    data = dated()
    times = data.likes.liked_at.copy()
    times[:3], times[3:5] = MONDAY - WEEK, np.nan
    result = run(replace(data, likes=replace(data.likes, liked_at=times)), WEEKLY, bundle, (MEAN_COSINE,))
    assert any("3 of 900 likes are from before" in text for text in result["settings"]["warnings"])
    assert any("0 papers and 2 likes without a time" in text for text in result["settings"]["warnings"])


def test_unknown_recipe(tmp_path: Path) -> None:
    """The error lists the recipes."""
    with pytest.raises(TrainingError, match="no recipe is called 'grand'"):
        evaluate(undated(), replace(COLD, recipe="grand"), bundle=None, encoder_name="made-up")
