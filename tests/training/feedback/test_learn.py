"""Learning from slates on a bundle whose trees correct a weighted sum of features."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from ranker.bundle.bundle import Bundle, load_bundle, write_bundle
from testing.click_log import made_up_log
from testing.ranker import ENCODER, model_text, spaces
from training.feedback.learn import FeedbackReport, learn_from_slates
from training.feedback.log import SlateLog
from training.provenance import known_until
from training.recipes import find_recipe

RECIPE = find_recipe("tiny")
# In the made-up log the first feature alone decides the reactions.
TELLING = "embedding_nearest"


@pytest.fixture(scope="module")
def log() -> SlateLog:
    """Return a log of slates whose order was fully explored."""
    return made_up_log(exponent=1.0)


TAKEN_AT = "2026-03-01T00:00:00+00:00"


def served(folder: Path, weight: float) -> Bundle:
    """Write and load a bundle whose base has this weight for the telling feature."""
    write_bundle(
        folder,
        model_text=model_text(),
        base={TELLING: weight},
        spaces=spaces(),
        encoder_name=ENCODER,
        recipe="test",
        fingerprint="0" * 64,
        created_at="2024-01-01T00:00:00+00:00",
    )
    return load_bundle(folder, encoder=ENCODER)


def learned(log: SlateLog, base: Bundle, folder: Path) -> tuple[FeedbackReport, Bundle]:
    """Learn a bundle; return the report and the bundle."""
    report = learn_from_slates(log, base, folder, recipe=RECIPE, position_bias=1.0, taken_at=TAKEN_AT)
    return report, load_bundle(folder, encoder=ENCODER)


def test_grown_on_a_good_base(log: SlateLog, tmp_path: Path) -> None:
    """A bundle grown on a good one keeps its weights and its trees, adds trees and is not worse."""
    base = served(tmp_path / "base", 0.5)
    report, new = learned(log, base, tmp_path / "new")

    assert report.grown_on_base
    assert new.manifest.params["grown_on_base"]
    assert new.manifest.params["taken_at"] == {"feedback": TAKEN_AT}
    assert new.manifest.base == base.manifest.base == {TELLING: 0.5}
    kept = len(base.model.trees.leaf_counts)
    assert len(new.model.trees.leaf_counts) > kept
    assert np.array_equal(new.model.trees.leaf_counts[:kept], base.model.trees.leaf_counts)
    assert report.metrics["ndcg@10"] >= report.metrics["base_ndcg@10"]


@pytest.mark.parametrize("weight", [-50.0, 5.0])
def test_a_base_without_use_is_dropped(log: SlateLog, tmp_path: Path, weight: float) -> None:
    """If a base ranks the best papers last, or no tree can correct it, trees grown from nothing are kept."""
    base = served(tmp_path / "base", weight)
    report, new = learned(log, base, tmp_path / "new")

    assert not report.grown_on_base
    assert new.manifest.base == {}
    assert weight > 0 or report.metrics["ndcg@10"] > report.metrics["base_ndcg@10"]


def test_what_a_learned_bundle_can_know(log: SlateLog, tmp_path: Path) -> None:
    """The manifest keeps the limit of the log, so that later slates can judge it; a base that knows more raises it."""
    base, limit = served(tmp_path / "base", 0.5), dt.datetime(2024, 3, 1, tzinfo=dt.UTC).timestamp()

    for until, known in ((limit, limit), (0.0, known_until(base.manifest))):
        report = learn_from_slates(log, base, tmp_path / str(until), recipe=RECIPE, position_bias=1.0, until=until)
        assert known_until(report.manifest) == known
