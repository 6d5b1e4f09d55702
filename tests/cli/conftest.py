"""The ``paperfeed`` command as its users call it, on a database of the test's own."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.main import main
from tests.process.running import ROOT, settings
from tests.requirements import require


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's own, the encoder without weights, and a folder in which stray files do no harm."""
    for name in [name for name in os.environ if name.startswith("PAPERFEED_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAPERFEED_ENCODER", "hashing")
    monkeypatch.setenv("PAPERFEED_DB", f"sqlite:///{tmp_path / 'paperfeed.db'}")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def paperfeed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, through the same entry point as the real one."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["paperfeed", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return Done(int(caught.value.code or 0), captured.out, captured.err)

    return run


def in_process(*arguments: object, db: str, start: tuple[str, ...] = ("-m", "cli.main"), **values: object) -> Done:
    """Runs a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        env=settings(db=db, **values),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def db_path(tmp_path: Path) -> Path:
    """Where the database of PAPERFEED_DB lies."""
    return tmp_path / "paperfeed.db"


def row_counts(path: Path) -> dict[str, int]:
    """Rows by table."""
    connection = sqlite3.connect(path)
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names}
    finally:
        connection.close()


@pytest.fixture(scope="session")
def trending_page() -> Path:
    """The real digest of the shared data."""
    folder = Path(os.environ.get("PAPERFEED_DATA", ROOT.parent / "shared" / "data"))
    page = folder / "digests" / "hf-trending-mar-11.txt"
    require("data", page.exists(), "needs the public data sets: set PAPERFEED_DATA")
    return page
