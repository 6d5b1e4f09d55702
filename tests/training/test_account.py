from pathlib import Path

import numpy as np

from training import TrainingReport
from training.account import Timed


def test_account(trained: tuple[Path, TrainingReport]) -> None:
    """The curve has its greatest value at the tree that training stopped at; every stage took some time."""
    report = trained[1]
    fitted = report.account.fitted
    assert fitted.tree_count == int(np.argmax(fitted.curve)) + 1
    assert fitted.text.count("Tree=") == fitted.tree_count
    assert set(report.account.seconds) == {"spaces", "factors", "features", "trees"}
    for used in report.account.data:
        assert len(used.held_out_users) == len(used.held_out.group_sizes) > 0
        assert used.learned_queries > 0


def test_timed_passes_on_what_it_hears() -> None:
    """The progress behind it hears the same, and each stage has its seconds."""
    heard: list[tuple[str, int, int]] = []
    timed = Timed(lambda *step: heard.append(step))

    timed("spaces", 0, 1)
    timed("trees", 1, 2)

    assert heard == [("spaces", 0, 1), ("trees", 1, 2)]
    assert list(timed.seconds()) == ["spaces", "trees"]
    assert min(timed.seconds().values()) >= 0
