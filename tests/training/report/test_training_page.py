import re
from dataclasses import replace

from ranker.features import SCHEMA
from tests.training.report.reading import check_self_contained, words_of
from training import TrainingReport
from training.report import training_page
from training.trees.fit import Fitted


def test_page(report: TrainingReport) -> None:
    """The page is self-contained, and shows the data, the model and the limits of the figures."""
    page = training_page(report)
    check_self_contained(page)
    words = words_of(page)
    for part in (
        report.manifest.version,
        "Held-out users: dated",
        "Held-out users: undated",
        "Learning curve",
        "Use paperfeed evaluate to decide",
        report.manifest.fingerprint,
        "recipe tiny, seed 4",
        *SCHEMA.names,
        *SCHEMA.families,
    ):
        assert part in words


def test_figures_are_the_manifests(report: TrainingReport) -> None:
    """The model's nDCG@10 on the page is the one in the manifest."""
    words = words_of(training_page(report))
    for name, figures in report.metrics.items():
        said = re.search(rf"{name}: nDCG@10 is ([\d.]+)", words)
        assert said is not None
        assert abs(float(said[1]) - figures["ndcg@10"]) <= 0.001


def test_same_report_same_page(report: TrainingReport) -> None:
    """The same report gives the same page."""
    assert training_page(report) == training_page(report)


def test_early_stopping_is_reported(report: TrainingReport) -> None:
    """The page says whether training stopped early or ran out of trees."""
    text, base = report.account.fitted.text, report.account.fitted.base

    def said(fitted: Fitted) -> str:
        return words_of(training_page(replace(report, account=replace(report.account, fitted=fitted))))

    assert "of 3 trees grown, the first 2 are kept" in said(Fitted(text, base, (0.1, 0.3, 0.2), 2))
    assert "The last of 3 trees still helped" in said(Fitted(text, base, (0.1, 0.2, 0.3), 3))
