"""Exit codes: 0 done, 1 failed, 2 wrong usage; and one line that says what is wrong."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.failures import EXTRAS, run
from testing.servers import lose_database, serving
from tests.cli.conftest import Done, Run, in_process
from tests.process.running import ROOT, settings

# What a command finds where an extra was not installed.
BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
sys.argv = ["paperfeed", *sys.argv[1:]]
from cli.main import main
main()
"""


def without(*packages: str, command: list[str], db: str) -> Done:
    """How a command ends where these packages are not installed."""
    return in_process(*command, db=db, start=("-c", BLOCKED.format(blocked=set(packages))))


@pytest.fixture
def db(tmp_path: Path) -> str:
    """A database that is not there yet."""
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
    """A number of papers that no server gives is wrong usage, and the option is named."""
    done = paperfeed(command, "ada", "-n", size, "--server", "127.0.0.1:1")
    assert (done.code, done.out) == (2, "")
    assert "'--size'" in done.err


def test_server_away(paperfeed: Run) -> None:
    """Where nobody listens, or who does says nothing, one line names the address and how to start a server."""
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
    """A host that has no address is no server either, whatever is asked."""
    done = paperfeed(command, "ada", "--server", "nobody.invalid:50051")
    assert (done.code, done.out) == (1, "")
    assert done.err == "paperfeed: no server answers at nobody.invalid:50051; start one with: paperfeed serve\n"


def test_no_address(paperfeed: Run) -> None:
    """An empty address is wrong usage, in one line."""
    done = paperfeed("status", "--server", "")
    assert done == Done(2, "", "paperfeed: server: '' is not HOST:PORT, such as localhost:50051\n")


def test_server_that_answers_with_a_failure(paperfeed: Run, db: str) -> None:
    """A server that is there is not said to be away: its answer is shown, or that it was too slow."""
    with serving(db) as service:
        slow = paperfeed("status", "--server", service.target, "--timeout", "0.000001")
        lose_database(service)
        failed = paperfeed("profile", "ada", "--server", service.target)
    assert (slow.code, slow.out) == (failed.code, failed.out) == (1, "")
    assert slow.err.startswith("paperfeed: the server answered DEADLINE_EXCEEDED: ")
    assert failed.err.startswith("paperfeed: the server answered UNAVAILABLE: the database is not available: ")


@pytest.mark.parametrize(
    "command",
    [
        ["db", "upgrade"],
        ["serve", "--port", "0"],
        ["digest", "import", "cli/sample/digest.jsonl", "--date", "2026-03-11"],
    ],
)
def test_missing_extra(command: list[str], db: str) -> None:
    """Without the server's packages a command of the server says which extra to install, and exits with 2."""
    done = without("sqlalchemy", "alembic", command=command, db=db)
    assert done.code == 2
    assert done.err == "paperfeed: this command needs 'sqlalchemy': pip install 'paperfeed[server]'\n"
    assert done.out == ""


def test_missing_driver(db: str) -> None:
    """A PostgreSQL database without its driver names the extra that has it."""
    done = without("psycopg", command=["db", "upgrade", "--db", "postgresql://127.0.0.1/none"], db=db)
    assert done.code == 2
    assert done.err == "paperfeed: this command needs 'psycopg': pip install 'paperfeed[postgres]'\n"


@pytest.mark.parametrize("module", ["pyarrow", "distributed"])
def test_missing_batch(module: str, db: str) -> None:
    """Without Dask or Parquet a batch job says which extra to install."""
    in_process("digest", "import", "cli/sample/digest.jsonl", "--date", "2026-03-11", "--no-embed", db=db)
    done = without(module, command=["batch", "rerank", "--digest", "2026-03-11", "--out", "never"], db=db)
    assert done.code == 2
    assert done.err.endswith(f"paperfeed: this command needs '{module}': pip install 'paperfeed[batch]'\n")


def test_client_commands_need_no_extra(db: str) -> None:
    """Help and the commands that only call a server work where nothing but the core is installed."""
    shown = without(*EXTRAS, command=["--help"], db=db)
    called = without(*EXTRAS, command=["status", "--server", "127.0.0.1:1", "--timeout", "0.5"], db=db)
    assert shown.code == 0
    assert "serve" in shown.out
    assert called.code == 1
    assert called.err == "paperfeed: no server answers at 127.0.0.1:1; start one with: paperfeed serve\n"


def test_bug_keeps_its_traceback() -> None:
    """An error that nobody foresaw is not dressed up as a failure of the user's."""

    def broken() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        run(broken)  # type: ignore[arg-type]


def test_unknown_module_is_a_bug() -> None:
    """A missing module that no extra brings is a bug too."""

    def broken() -> None:
        raise ModuleNotFoundError("No module named 'nothing'", name="nothing")

    with pytest.raises(ModuleNotFoundError):
        run(broken)  # type: ignore[arg-type]


def test_closed_pipe(db: str) -> None:
    """A reader who stops reading (`paperfeed ... | head`) ends the command without a traceback."""
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
