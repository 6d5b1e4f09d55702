from pathlib import Path

import pytest

from testing.training import DATASETS
from training import TrainingReport, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    """A bundle of the tiny recipe, and what its training told."""
    folder = tmp_path_factory.mktemp("trained") / "bundle"
    return folder, train(DATASETS, folder, encoder_name="made-up", recipe="tiny", seed=4)
