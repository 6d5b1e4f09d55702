import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranker.bundle.bundle import load_bundle
from ranker.papers import PaperColumns
from ranker.pipeline import rank
from ranker.profile.profile import build_profile
from testing.training import DATASETS, MONDAY, WEEK, planted
from tests.training.report.reading import check_self_contained, words_of
from training import Dataset, Likes, TrainingReport, train
from training.errors import TrainingError
from training.recipes import find_recipe
from training.report import training_page


@pytest.mark.slow
def test_finds_the_planted_truth(trained: tuple[Path, TrainingReport]) -> None:
    """If likes follow the field alone, users who were not in training get papers of the own field on top."""
    bundle = load_bundle(trained[0], encoder="made-up")
    shares = []
    for seed in range(9, 13):
        fresh = planted(dated=True, seed=seed)
        matrix = bundle.spaces.matrix(fresh.papers)
        field = np.array([title.split()[0] in {"genome", "protein", "cell"} for title in fresh.papers.titles])
        mine = np.flatnonzero(field)
        ranked = rank(bundle, build_profile(matrix.take(mine[:3].tolist())), matrix, MONDAY + 50 * WEEK)
        shares.append(field[ranked.rows[: len(mine) // 2]].mean())
    assert np.mean(shares) > 0.95


@pytest.mark.slow
def test_report(trained: tuple[Path, TrainingReport]) -> None:
    """The report has figures for each data set, and the manifest holds the same."""
    folder, report = trained
    assert set(report.metrics) == {"dated", "undated"}
    assert report.metrics["undated"]["ndcg@10"] > 0.3
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["metrics"] == report.metrics
    assert manifest["recipe"] == "tiny"


@pytest.mark.slow
def test_account(trained: tuple[Path, TrainingReport]) -> None:
    """The curve has its greatest value at the last tree of the model, and every stage has its seconds."""
    report = trained[1]
    fitted = report.account.fitted
    assert fitted.tree_count == int(np.argmax(fitted.curve)) + 1
    assert fitted.text.count("Tree=") == fitted.tree_count
    assert set(report.account.seconds) == {"spaces", "factors", "features", "trees", "calibration"}
    for used in report.account.data:
        assert len(used.held_out_users) == len(used.held_out.group_sizes) > 0
        assert used.learned_queries > 0


@pytest.mark.slow
def test_page_of_a_real_run(trained: tuple[Path, TrainingReport]) -> None:
    """A real training run gives a self-contained page with its version."""
    page = training_page(trained[1])
    check_self_contained(page)
    assert trained[1].manifest.version in words_of(page)


@pytest.mark.slow
def test_same_run_same_files(trained: tuple[Path, TrainingReport], tmp_path: Path) -> None:
    """Training twice gives the same files except for times; another seed gives another model."""
    again = [replace(DATASETS[0], taken_at="2026-03-01T00:00:00+00:00"), *DATASETS[1:]]
    train(again, tmp_path / "again", encoder_name="made-up", recipe="tiny", seed=4)
    for name in ("model.txt", "spaces.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (trained[0] / name).read_bytes()
    manifests = [json.loads((path / "manifest.json").read_text()) for path in (trained[0], tmp_path / "again")]
    for manifest in manifests:
        del manifest["created_at"], manifest["manifest_sha256"]
    assert manifests[1]["params"].pop("taken_at") == {again[0].name: "2026-03-01T00:00:00+00:00"}
    assert manifests[0] == manifests[1]
    other = train(DATASETS, tmp_path / "other", encoder_name="made-up", recipe="tiny", seed=5)
    assert other.manifest.version != trained[1].manifest.version


def with_future(dataset: Dataset) -> Dataset:
    """Add a paper and likes dated after the recipe's limit, and a late like of an early paper."""
    moment = find_recipe("tiny").known_until
    papers, likes = dataset.papers, dataset.likes
    extra = {
        "paper_ids": ("future",),
        "titles": ("Unheard of",),
        "texts": ("Unheard of",),
        "embeddings": np.ones((1, papers.embeddings.shape[1]), np.float32),
        "published_at": np.array([moment]),
        "first_seen_at": np.array([moment]),
        "upvotes": np.array([9.0]),
        "categories": ((),),
        "authors": ((),),
    }
    columns = {
        name: column + extra[name] if isinstance(column, tuple) else np.concatenate((column, extra[name]))
        for name, column in vars(papers).items()
        if column is not None
    }
    unliked = np.setdiff1d(np.arange(len(papers)), likes.papers[likes.of_user(1)])
    later = Likes.of(
        [*likes.users.tolist(), 0, 1],
        [
            *likes.papers.tolist(),
            len(papers),
            int(unliked[0]),
        ],
        [*likes.liked_at.tolist(), moment + 1, moment],
    )
    return replace(dataset, papers=PaperColumns(**columns), likes=later)


@pytest.mark.slow
def test_nothing_from_the_future(trained: tuple[Path, TrainingReport], tmp_path: Path) -> None:
    """Papers and likes dated after the recipe's limit change no byte of the bundle."""
    train((with_future(DATASETS[0]), DATASETS[1]), tmp_path / "b", encoder_name="made-up", recipe="tiny", seed=4)
    for name in ("model.txt", "spaces.npz"):
        assert (tmp_path / "b" / name).read_bytes() == (trained[0] / name).read_bytes()


@pytest.mark.slow
def test_authors_change_nothing(trained: tuple[Path, TrainingReport], tmp_path: Path) -> None:
    """Author names do not change the model."""
    papers = PaperColumns(**{**vars(DATASETS[0].papers), "authors": (("A. Author",),) * len(DATASETS[0].papers)})
    named = replace(DATASETS[0], papers=papers)
    train((named, DATASETS[1]), tmp_path / "b", encoder_name="made-up", recipe="tiny", seed=4)
    assert (tmp_path / "b" / "model.txt").read_bytes() == (trained[0] / "model.txt").read_bytes()


@pytest.mark.slow
def test_progress_is_reported(tmp_path: Path) -> None:
    """The callback is called for every stage and for the end of it."""
    heard: list[tuple[str, int, int]] = []
    with_titles = replace(DATASETS[0], title_embeddings=DATASETS[0].papers.embeddings)
    train(
        [with_titles],
        tmp_path / "b",
        encoder_name="made-up",
        recipe=replace(find_recipe("tiny"), tree_count=3),
        progress=lambda *step: heard.append(step),
    )
    assert {stage for stage, _, _ in heard} == {"spaces", "factors", "features", "trees", "calibration"}
    assert ("trees", 3, 3) in heard


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    """Missing data, missing likes and unknown recipes raise errors that say so, and no bundle is written."""
    empty = replace(DATASETS[0], likes=Likes.of([], [], []))
    for datasets, recipe, problem in (
        ([], "tiny", "no data sets"),
        ([empty], "tiny", "no positive labels"),
        (DATASETS, "grand", "no recipe is called 'grand'; there are co-likes, default, tiny"),
    ):
        with pytest.raises(TrainingError, match=problem):
            train(datasets, tmp_path / "b", encoder_name="made-up", recipe=recipe)
    assert not (tmp_path / "b").exists()
