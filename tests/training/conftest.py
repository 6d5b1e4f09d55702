from pathlib import Path

import pytest

from tests.training.builders import DATASETS
from training import TrainingReport, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    """Train a bundle of the tiny recipe; return its folder and report. Tests that use it are slow."""
    folder = tmp_path_factory.mktemp("trained") / "bundle"
    return folder, train(DATASETS, folder, encoder_name="made-up", recipe="tiny", seed=4)
