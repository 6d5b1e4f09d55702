"""``paperfeed db``: the schema, and the removal of old rows."""

import datetime as dt
import json
import sqlite3
from pathlib import Path

import pytest

from service.storage import open_store, schema
from tests.cli.command import Run, in_process, row_counts
from tests.contracts.samples import slate

LONG_AGO = "2000-01-01 00:00:00.000000"


def change(path: Path, statement: str) -> None:
    """Change the database without the program."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_upgrade_twice(paperfeed: Run, db_path: Path) -> None:
    """The first upgrade makes the tables, the second changes nothing; both print the schema's revision."""
    first, second = paperfeed("db", "upgrade", "--json"), paperfeed("db", "upgrade", "--json")
    assert (first.code, second.code) == (0, 0)
    assert json.loads(first.out) == {"before": None, "after": schema.HEAD}
    assert json.loads(second.out) == {"before": schema.HEAD, "after": schema.HEAD}
    assert row_counts(db_path)["installation"] == 1


def test_upgrade_through_a_process(tmp_path: Path) -> None:
    """In the real command the option overrides the environment; it prints one line."""
    done = in_process("db", "upgrade", "--db", f"sqlite:///{tmp_path / 'flag.db'}", db="sqlite:////nowhere/at/all.db")
    assert done.code == 0, done.err
    assert done.out == f"the schema is at {schema.HEAD} (was empty)\n"
    assert (tmp_path / "flag.db").exists()


def test_upgrade_refuses_newer(paperfeed: Run, db_path: Path) -> None:
    """A database of a newer version is left as it is: exit code 1."""
    assert paperfeed("db", "upgrade").code == 0
    change(db_path, "UPDATE alembic_version SET version_num = '9999'")
    done = paperfeed("db", "upgrade")
    assert done.code == 1
    assert "made by a newer paperfeed (revision 9999)" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/name", "db: must start with sqlite:/// or postgresql://"),
        ("sqlite://", "db: must name a file"),
        ("no url", "db: is not a database URL"),
    ],
)
def test_bad_url(url: str, message: str, paperfeed: Run) -> None:
    """Another kind of database is wrong usage: exit code 2 and one line."""
    done = paperfeed("db", "upgrade", "--db", url)
    assert done.code == 2
    assert done.err.startswith(f"paperfeed: {message}")
    assert len(done.err.splitlines()) == 1


def test_not_a_database(paperfeed: Run, db_path: Path) -> None:
    """A file that is not a database fails with exit code 1 and stays as it was."""
    db_path.write_bytes(b"just some words, and a good many of them " * 50)
    before = db_path.read_bytes()
    done = paperfeed("db", "upgrade")
    assert done.code == 1
    assert done.err == "paperfeed: the database is not available: its file is not a database\n"
    assert db_path.read_bytes() == before


def test_prune(paperfeed: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, db_path: Path) -> None:
    """Old clicks, slates and features are removed as the settings say; likes stay; a second run removes nothing."""
    papers, events = tmp_path / "papers.jsonl", tmp_path / "events.csv"
    papers.write_text('{"paper_id": "p0", "title": "Zero"}\n{"paper_id": "p1", "title": "One"}\n')
    events.write_text("user_id,paper_id,event,occurred_at\nada,p0,like,\nada,p0,click,\nada,p1,impression,\n")
    assert paperfeed("papers", "import", papers).code == 0
    assert paperfeed("events", "import", events).code == 0
    now = dt.datetime.now(dt.UTC)
    store = open_store(f"sqlite:///{db_path}")
    with store.write() as tx:
        for name, days in (("new", 0), ("older", 40), ("oldest", 100)):
            tx.slates.add(slate(name, created_at=now - dt.timedelta(days=days)))
    store.dispose()
    change(db_path, f"UPDATE events SET recorded_at = '{LONG_AGO}'")
    kept_by_default = paperfeed("db", "prune", "--json")
    monkeypatch.setenv("PAPERFEED_KEEP_EVENTS_DAYS", "30")
    pruned, again = paperfeed("db", "prune", "--json"), paperfeed("db", "prune", "--json")
    assert json.loads(kept_by_default.out) == {"events": 0, "slates": 1, "features": 1, "audit": 0}
    assert json.loads(pruned.out) == {"events": 2, "slates": 0, "features": 0, "audit": 0}
    assert json.loads(again.out) == {"events": 0, "slates": 0, "features": 0, "audit": 0}
    counts = row_counts(db_path)
    assert (counts["events"], counts["slates"]) == (1, 2)


@pytest.mark.parametrize("command", [("db", "prune"), ("export", "--out", "nowhere"), ("estimate",)])
def test_no_such_file(command: tuple[str, ...], paperfeed: Run, db_path: Path) -> None:
    """Commands that read or prune a database report a missing file in one line, and create none."""
    done = paperfeed(*command)
    assert done.code == 1
    assert done.err == f"paperfeed: the database is not available: there is no such database file: {db_path}\n"
    assert not db_path.exists()


def test_prune_makes_no_tables(paperfeed: Run, db_path: Path) -> None:
    """A database without tables is refused and gets none."""
    db_path.touch()
    done = paperfeed("db", "prune")
    assert (done.code, "no tables yet" in done.err) == (1, True), done
    assert row_counts(db_path) == {}


def test_prune_refuses_bad_setting(paperfeed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that is not a number is wrong usage, named by its variable."""
    monkeypatch.setenv("PAPERFEED_KEEP_SLATES_DAYS", "soon")
    done = paperfeed("db", "prune")
    assert done.code == 2
    assert done.err == "paperfeed: PAPERFEED_KEEP_SLATES_DAYS: 'soon' is not a whole number\n"
