import re
from dataclasses import replace
from pathlib import Path

from ranker.features import SCHEMA
from tests.training.report.reading import check_self_contained, words_of
from training import TrainingReport
from training.report import training_page
from training.trees.fit import Fitted


def test_page(trained: tuple[Path, TrainingReport]) -> None:
    """Self-contained, and says what was learned, from what, and what it cannot say."""
    report = trained[1]
    page = training_page(report)
    check_self_contained(page)
    words = words_of(page)
    for part in (
        report.manifest.version,
        "Held-out readers: dated",
        "Held-out readers: undated",
        "Learning curve",
        "is for paperfeed evaluate to say",
        report.manifest.fingerprint,
        "recipe tiny, seed 4",
        *SCHEMA.names,
        *SCHEMA.families,
    ):
        assert part in words


def test_figures_are_the_manifests(trained: tuple[Path, TrainingReport]) -> None:
    """The model's nDCG@10 on the page is the one in the manifest."""
    report = trained[1]
    words = words_of(training_page(report))
    for name, figures in report.metrics.items():
        said = re.search(rf"{name}: nDCG@10 is ([\d.]+)", words)
        assert said is not None
        assert abs(float(said[1]) - figures["ndcg@10"]) <= 0.001


def test_same_report_same_page(trained: tuple[Path, TrainingReport]) -> None:
    """Drawn twice, the page is the same."""
    assert training_page(trained[1]) == training_page(trained[1])


def test_stop_is_told(trained: tuple[Path, TrainingReport]) -> None:
    """Whether training stopped by itself or ran out of trees."""
    report = trained[1]
    text = report.account.fitted.text

    def said(fitted: Fitted) -> str:
        return words_of(training_page(replace(report, account=replace(report.account, fitted=fitted))))

    assert "of 3 trees grown, the first 2 are kept" in said(Fitted(text, (0.1, 0.3, 0.2), 2))
    assert "The last of 3 trees still helped" in said(Fitted(text, (0.1, 0.2, 0.3), 3))
