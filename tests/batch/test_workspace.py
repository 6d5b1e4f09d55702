"""One run at a time in a folder, and a folder only for as long as there is something in it."""

import threading
from pathlib import Path

import pytest

from batch.errors import OutputUnusable
from batch.workspace import LOCK_NAME, opened_workspace, write_file
from tests.batch.killing import partial


def test_a_refused_run_takes_nothing_from_the_first(tmp_path: Path) -> None:
    """A run that is refused before the first one has a plan leaves folder and lock as they are, for a third one too."""
    out = tmp_path / "out"

    with opened_workspace(out) as first:
        for _ in range(2):
            with pytest.raises(OutputUnusable, match="another run is writing it"), opened_workspace(out):
                pass
        write_file(first.folder / "kept", b"x")

    assert (partial(out) / "kept").read_bytes() == b"x"


def test_a_run_without_a_plan_leaves_nothing(tmp_path: Path) -> None:
    """The folder of a run that wrote nothing goes with its lock."""
    with opened_workspace(tmp_path / "out"):
        pass

    assert list(tmp_path.iterdir()) == []


def test_the_next_run_is_left_alone(tmp_path: Path) -> None:
    """A run whose folder has its name does not touch the folder that another run has begun there meanwhile."""
    out = tmp_path / "out"

    with opened_workspace(out) as first:
        first.take_name()
        second = opened_workspace(out)
        second.__enter__()
    still_there = (partial(out) / LOCK_NAME).exists()
    second.__exit__(None, None, None)

    assert still_there
    assert list(out.iterdir()) == []


def test_never_two_runs_however_they_come_and_go(tmp_path: Path) -> None:
    """Of many runs that begin and end at any time, one at most holds the folder, which is there while it does."""
    holders, most, gone = 0, 0, 0
    counting = threading.Lock()

    def come_and_go() -> None:
        nonlocal holders, most, gone
        for _ in range(100):
            try:
                with opened_workspace(tmp_path / "out") as workspace:
                    with counting:
                        holders += 1
                        most = max(most, holders)
                    gone += not (workspace.folder / LOCK_NAME).exists()
                    with counting:
                        holders -= 1
            except OutputUnusable as error:
                assert "another run is writing it" in str(error)  # noqa: PT017 -- most of them are let in

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (most, gone) == (1, 0)
