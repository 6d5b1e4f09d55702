from pathlib import Path

import numpy as np
import pytest

from training import TrainingReport
from training.account import Timed


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


def test_timed_passes_calls_on() -> None:
    """The wrapped callback gets the same calls, and each stage has its seconds."""
    heard: list[tuple[str, int, int]] = []
    timed = Timed(lambda *step: heard.append(step))

    timed("spaces", 0, 1)
    timed("trees", 1, 2)

    assert heard == [("spaces", 0, 1), ("trees", 1, 2)]
    assert list(timed.seconds()) == ["spaces", "trees"]
    assert min(timed.seconds().values()) >= 0
