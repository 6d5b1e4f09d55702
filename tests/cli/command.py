"""Runs the ``paperfeed`` command as its users do, in this process or in one of its own."""

import contextlib
import io
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.main import main
from tests.process.running import ROOT, settings
from tests.requirements import require


@dataclass(frozen=True)
class Done:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def notes(self) -> str:
        """The output on stderr without lines of progress, which only slow runs have."""
        return "".join(line for line in self.err.splitlines(keepends=True) if not _PROGRESS.fullmatch(line.strip()))


Run = Callable[..., Done]
_PROGRESS = re.compile(r"paperfeed: [^:]+: [0-9,]+( of [0-9,]+)?")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the developer's own, the encoder without weights, and a folder of the test's own."""
    for name in [name for name in os.environ if name.startswith("PAPERFEED_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAPERFEED_ENCODER", "hashing")
    monkeypatch.setenv("PAPERFEED_EMBEDDING_CACHE", "none")
    monkeypatch.setenv("PAPERFEED_DB", f"sqlite:///{tmp_path / 'paperfeed.db'}")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def paperfeed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, through the entry point of the installed one."""

    def run(*arguments: object, stdin: bytes = b"", **environment: str) -> Done:
        with monkeypatch.context() as changes, _restored():
            changes.setattr(sys, "argv", ["paperfeed", *map(str, arguments)])
            changes.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            for name, value in environment.items():
                changes.setenv(name, value)
            capsys.readouterr()
            with pytest.raises(SystemExit) as caught:
                main()
            captured = capsys.readouterr()
        return Done(int(caught.value.code or 0), captured.out, captured.err)

    return run


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    """Restore the signal handlers and the log settings, which commands change for the whole process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    root = logging.getLogger()
    log_handlers, level = list(root.handlers), root.level
    # A command would close the handlers of pytest. With no handler at all, logs of a server in this process would be
    # printed.
    root.handlers = [logging.NullHandler()]
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        root.handlers = log_handlers
        root.setLevel(level)


def in_process(*arguments: object, db: str, start: tuple[str, ...] = ("-m", "cli.main"), **values: object) -> Done:
    """Run a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        env=settings(db=db, **values),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def row_counts(path: Path) -> dict[str, int]:
    """Return the number of rows of each table."""
    connection = sqlite3.connect(path)
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names}
    finally:
        connection.close()


_SEVERAL = """
import contextlib, io, json, pathlib, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

commands, blocked = json.loads(sys.argv[1])
sys.meta_path.insert(0, Blocker())
from cli.main import main

ended = []
for words in commands:
    sys.argv = ["paperfeed", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as end:
            ended.append([end.code, out.getvalue(), err.getvalue()])
status = pathlib.Path("/proc/self/status")
peaks = [int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")]
print(json.dumps([ended, peaks[0]]))
"""


def several_in_process(
    *commands: Sequence[object], db: str, without: Collection[str] = (), **values: object
) -> tuple[list[Done], int]:
    """Run commands one after the other in one fresh process; return how each ended and the peak memory in kilobytes.

    Args:
        without: Packages that cannot be imported there, as if their extra were not installed.
    """
    require("proc", Path("/proc/self/status").exists(), "needs /proc, which Linux has")
    words = json.dumps([[[*map(str, command)] for command in commands], sorted(without)])
    done = in_process(words, db=db, start=("-c", _SEVERAL), **values)
    assert done.code == 0, done.err
    ended, peak = json.loads(done.out)
    return [Done(*each) for each in ended], peak
