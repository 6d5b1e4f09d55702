"""The command of the quality benchmark: its runs, its two splits and the bundle of each run."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality import __main__ as quality
from benchmarks.quality.__main__ import DEV, LEFT_OUT, RUNS, SHIPPED, TEST, Split
from data_sets.files import PUBLIC_DATA
from ranker.bundle.bundle import Bundle
from testing.training import DATASETS
from training.data.snapshot import Dataset
from training.evaluation import Plan


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the measurement by a note of the run and its split; return the notes."""
    found: list[str] = []

    def result_of(run: str, split: Split) -> dict[str, Any]:
        found.append(f"{'dev' if split is DEV else 'test'} {run}")
        return {"systems": {"paperfeed": {"ndcg@10": {"mean": 0.5}}}}

    monkeypatch.setattr(quality, "result_of", result_of)
    return found


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return an empty folder for results."""
    monkeypatch.setattr(quality, "RESULTS", tmp_path)
    return tmp_path


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Call the command."""
    monkeypatch.setattr(sys, "argv", ["quality", *arguments])
    return quality.main()


def test_a_run_by_name(monkeypatch: pytest.MonkeyPatch, asked: list[str], results: Path) -> None:
    """A named run is measured on the test split, and its file holds the result and the command that makes it."""
    assert command(monkeypatch, "citeulike-a") == 0
    assert asked == ["test citeulike-a"]
    (file,) = results.iterdir()
    assert file.name == "quality-citeulike-a.json"
    found = json.loads(file.read_text())
    assert found["systems"]["paperfeed"]["ndcg@10"]["mean"] == 0.5
    assert found["made_by"]["command"] == "python -m benchmarks.quality citeulike-a"


def test_all_runs(monkeypatch: pytest.MonkeyPatch, asked: list[str], results: Path) -> None:
    """--all measures each data set, each left out, the interests, the calibration and the deployment."""
    assert command(monkeypatch, "--all") == 0
    assert asked == [f"test {run}" for run in RUNS]
    assert len(RUNS) == 2 * len(PUBLIC_DATA) + 3 == len(list(results.iterdir()))


def test_dev_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--dev prints the figures of the dev split and writes no file."""
    assert command(monkeypatch, "--dev", SHIPPED) == 0
    assert asked == [f"dev {SHIPPED}"]
    assert list(results.iterdir()) == []
    assert '"mean": 0.5' in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [(), ("nothing",), (SHIPPED, "nothing"), ("--dev", "calibration")])
def test_unknown_runs(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """No run and an unknown run are refused with the names of all, before anything is measured."""
    with pytest.raises(SystemExit, match="2"):
        command(monkeypatch, *arguments)
    assert asked == []
    said = capsys.readouterr().err
    assert all(run in said for run in RUNS if run != "calibration" or "--dev" not in arguments)


def test_the_splits_are_apart() -> None:
    """All weeks of the dev split end before those of the test split begin, and no seed is in both."""
    assert DEV.weeks.keys() == TEST.weeks.keys()
    for name, (_, last) in DEV.weeks.items():
        assert last < TEST.weeks[name][0]
    assert not {*DEV.seeds, *DEV.left_out_seeds} & {*TEST.seeds, *TEST.left_out_seeds}


def plan_and_bundle(monkeypatch: pytest.MonkeyPatch, run: str, split: Split) -> tuple[Plan, object]:
    """Return the plan and the bundle of a run: the data sets that it was trained on, its folder, or None."""
    seen: list[tuple[Plan, object]] = []

    def evaluate(_dataset: Dataset, plan: Plan, *, bundle: Bundle | None, encoder_name: str) -> dict[str, Any]:
        assert encoder_name == "made-up"
        seen.append((plan, bundle))
        return {}

    monkeypatch.setattr(quality, "loaded", lambda _name: ("made-up", DATASETS[0]))
    monkeypatch.setattr(quality, "trained", set)
    monkeypatch.setattr(quality, "load_bundle", lambda _path, encoder: f"shipped, for {encoder}")
    monkeypatch.setattr(quality, "evaluate", evaluate)
    quality.result_of(run, split)
    return seen[0]


@pytest.mark.parametrize("split", [TEST, DEV])
@pytest.mark.parametrize("name", PUBLIC_DATA)
def test_left_out_data_sets_are_not_trained_on(monkeypatch: pytest.MonkeyPatch, name: str, split: Split) -> None:
    """A left-out run judges a bundle trained on all other data sets."""
    plan, bundle = plan_and_bundle(monkeypatch, LEFT_OUT + name, split)
    assert bundle == set(PUBLIC_DATA) - {name}
    assert not plan.retrain


def test_bundles_of_the_other_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped bundle is judged on weeks that it cannot know; for all others a bundle is trained."""
    for name in PUBLIC_DATA:
        for split in (TEST, DEV):
            plan, bundle = plan_and_bundle(monkeypatch, name, split)
            is_shipped = name == SHIPPED and split is TEST
            assert bundle == ("shipped, for made-up" if is_shipped else None)
            assert plan.retrain is not is_shipped
