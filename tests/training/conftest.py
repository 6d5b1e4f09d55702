from pathlib import Path

import pytest
import scipy.linalg  # noqa: F401 - loads scipy's BLAS, which the limit must reach

from ranker.blas import use_one_thread
from testing.training import DATASETS
from training import TrainingReport, train


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Limit linear algebra to one thread, as the commands do: on busy cores several threads wait for one another."""
    use_one_thread()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    """Train a bundle of the tiny recipe; return its folder and report. Tests that use it are slow."""
    folder = tmp_path_factory.mktemp("trained") / "bundle"
    return folder, train(DATASETS, folder, encoder_name="made-up", recipe="tiny", seed=4)
