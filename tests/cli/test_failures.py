"""Exit codes: 0 done, 1 failed, 2 wrong usage; a failure prints one line that says what is wrong."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.failures import run
from service.process.failures import EXTRAS
from testing.servers import lose_database, serving
from tests.cli.command import Done, Run, several_in_process
from tests.process.running import ROOT, settings

SAMPLE = ("digest", "import", ROOT / "cli/sample/digest.jsonl", "--date", "2026-03-11", "--no-embed")


@pytest.fixture
def db(tmp_path: Path) -> str:
    """A database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'failures.db'}"


def test_help_and_usage(paperfeed: Run) -> None:
    """Help is success; an unknown command, option or value is wrong usage."""
    assert paperfeed("--help").code == 0
    assert paperfeed("no-such-command").code == 2
    assert paperfeed("db", "upgrade", "--no-such-option").code == 2
    assert paperfeed("serve", "--port", "many").code == 2
    assert paperfeed("serve", "--port", "70000").code == 2


@pytest.mark.parametrize("size", ["0", "101", "2147483648", "99999999999"])
@pytest.mark.parametrize("command", ["feed", "similar"])
def test_size_that_no_page_has(paperfeed: Run, command: str, size: str) -> None:
    """A number of papers outside 1 to 100 is wrong usage, and the option is named."""
    done = paperfeed(command, "ada", "-n", size, "--server", "127.0.0.1:1")
    assert (done.code, done.out) == (2, "")
    assert "'--size'" in done.err


def test_server_away(paperfeed: Run) -> None:
    """If nothing listens, or what listens says nothing, one line names the address and how to start a server."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        refused = paperfeed("status", "--server", address, "--timeout", "0.5")
        unused.listen()
        silent = paperfeed("status", "--server", address, "--timeout", "0.5")
    expected = f"paperfeed: no server answers at {address}; start one with: paperfeed serve\n"
    assert refused == silent == Done(1, "", expected)


@pytest.mark.parametrize("command", ["feed", "similar", "profile"])
def test_host_unknown(paperfeed: Run, command: str) -> None:
    """A host without an address is reported as no server, by every command."""
    done = paperfeed(command, "ada", "--server", "nobody.invalid:50051")
    assert (done.code, done.out) == (1, "")
    assert done.err == "paperfeed: no server answers at nobody.invalid:50051; start one with: paperfeed serve\n"


def test_no_address(paperfeed: Run) -> None:
    """An empty address is wrong usage, in one line."""
    done = paperfeed("status", "--server", "")
    assert done == Done(2, "", "paperfeed: server: '' is not HOST:PORT, such as localhost:50051\n")


def test_server_that_answers_with_a_failure(paperfeed: Run, db: str) -> None:
    """If a server is there, its error is shown, or that it missed the deadline; not that no server answers."""
    with serving(db) as service:
        slow = paperfeed("status", "--server", service.target, "--timeout", "0.000001")
        lose_database(service)
        failed = paperfeed("profile", "ada", "--server", service.target)
    assert (slow.code, slow.out) == (failed.code, failed.out) == (1, "")
    assert slow.err.startswith("paperfeed: the server answered DEADLINE_EXCEEDED: ")
    assert failed.err.startswith("paperfeed: the server answered UNAVAILABLE: the database is not available: ")


def test_missing_extra(db: str) -> None:
    """Without the server's packages, commands that need them name the extra to install, and exit with 2."""
    ended, _ = several_in_process(
        ("db", "upgrade"), ("serve", "--port", 0), SAMPLE, db=db, without=("sqlalchemy", "alembic")
    )
    assert ended == [Done(2, "", "paperfeed: this command needs 'sqlalchemy': pip install 'paperfeed[server]'\n")] * 3


@pytest.mark.parametrize("module", ["pyarrow", "distributed"])
def test_missing_batch_and_driver(module: str, paperfeed: Run, db: str) -> None:
    """Without Dask or Parquet a batch job names its extra, and a PostgreSQL database that of its driver."""
    assert paperfeed(*SAMPLE, "--db", db).code == 0
    (driver, batch), _ = several_in_process(
        ("db", "upgrade", "--db", "postgresql://127.0.0.1/none"),
        ("batch", "rerank", "--digest", "2026-03-11", "--out", "never"),
        db=db,
        without=("psycopg", module),
    )
    assert driver == Done(2, "", "paperfeed: this command needs 'psycopg': pip install 'paperfeed[postgres]'\n")
    assert batch.code == 2
    assert batch.err.endswith(f"paperfeed: this command needs '{module}': pip install 'paperfeed[batch]'\n")


def test_client_commands_need_no_extra(db: str) -> None:
    """Help and the commands that only call a server work with the core package alone."""
    (shown, called), _ = several_in_process(
        ("--help",), ("status", "--server", "127.0.0.1:1", "--timeout", "0.5"), db=db, without=EXTRAS
    )
    assert shown.code == 0
    assert "serve" in shown.out
    assert called.code == 1
    assert called.err == "paperfeed: no server answers at 127.0.0.1:1; start one with: paperfeed serve\n"


def test_bug_keeps_its_traceback() -> None:
    """An unexpected error keeps its traceback; it is not reported as the user's mistake."""

    def broken() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        run(broken)  # type: ignore[arg-type]


def test_unknown_module_is_a_bug() -> None:
    """A missing module that belongs to no extra is a bug too."""

    def broken() -> None:
        raise ModuleNotFoundError("No module named 'nothing'", name="nothing")

    with pytest.raises(ModuleNotFoundError):
        run(broken)  # type: ignore[arg-type]


def test_closed_pipe(db: str) -> None:
    """A closed output pipe (`paperfeed ... | head`) ends the command without a traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "db", "upgrade", "--json"],
        env=settings(db=db),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    message = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) in {0, 1, 120}
    assert "Traceback" not in message
