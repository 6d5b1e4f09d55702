import pytest

from tests.training.report.runs import report_of_training
from training import TrainingReport


@pytest.fixture(scope="package")
def report() -> TrainingReport:
    """Return a small report of training."""
    return report_of_training()
