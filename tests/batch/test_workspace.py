"""Workspaces: one run at a time in a folder, and no folder without content."""

import threading
from pathlib import Path

import pytest

from batch.errors import OutputUnusable
from batch.workspace import LOCK_NAME, opened_workspace, write_file
from tests.batch.killing import partial


def test_a_refused_run_takes_nothing_from_the_first(tmp_path: Path) -> None:
    """Refused runs leave the folder and the lock of the first run as they are."""
    out = tmp_path / "out"

    with opened_workspace(out) as first:
        for _ in range(2):
            with pytest.raises(OutputUnusable, match="another run is writing it"), opened_workspace(out):
                pass
        write_file(first.folder / "kept", b"x")

    assert (partial(out) / "kept").read_bytes() == b"x"


def test_a_run_without_files_leaves_nothing(tmp_path: Path) -> None:
    """The folder of a run that wrote nothing is removed with its lock."""
    with opened_workspace(tmp_path / "out"):
        pass

    assert list(tmp_path.iterdir()) == []


def test_the_next_run_is_left_alone(tmp_path: Path) -> None:
    """A run whose folder took its name does not touch the folder that another run has begun meanwhile."""
    out = tmp_path / "out"

    with opened_workspace(out) as first:
        first.take_name()
        second = opened_workspace(out)
        second.__enter__()
    still_there = (partial(out) / LOCK_NAME).exists()
    second.__exit__(None, None, None)

    assert still_there
    assert list(out.iterdir()) == []


def test_never_two_runs(tmp_path: Path) -> None:
    """Of many runs that begin and end at any time, at most one holds the folder, which exists meanwhile."""
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
                assert "another run is writing it" in str(error)  # noqa: PT017 -- most runs get the lock

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (most, gone) == (1, 0)
