"""A database that is locked, full or gone raises StorageUnavailable, without passwords in any text."""

import contextlib
import datetime as dt
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from service.domain.errors import InvalidField, StorageUnavailable
from service.domain.papers import Paper
from service.storage import open_store, schema
from service.storage.errors import ERRORS
from tests.mailer.proxy import proxy

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let new SQLite connections add no page to the file."""

    def fill(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    event.listen(Engine, "connect", fill)
    yield
    event.remove(Engine, "connect", fill)


def test_a_locked_file(sqlite_url: str) -> None:
    """A writer that waits too long for another process fails; reading goes on."""
    blocker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    store = open_store(sqlite_url, busy_timeout_seconds=0.05)

    with pytest.raises(StorageUnavailable, match="locked"), store.write():
        pass
    with store.read() as tx:
        assert tx.papers.count() == 0

    blocker.rollback()
    with store.write() as tx:
        tx.papers.upsert([Paper("p1", "x")], NOW)
    blocker.close()
    store.dispose()


def test_writers_queue_in_one_process(sqlite_url: str) -> None:
    """A second writer waits for the first and fails after its timeout."""
    store = open_store(sqlite_url, busy_timeout_seconds=0.05)
    failures: list[StorageUnavailable] = []

    def write() -> None:
        try:
            with store.write():
                pass
        except StorageUnavailable as error:
            failures.append(error)

    with store.write():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(timeout=10)

    assert len(failures) == 1
    store.dispose()


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk(sqlite_url: str) -> None:
    """On a full disk nothing is written, and stored data can still be read."""
    store = open_store(sqlite_url)

    with pytest.raises(StorageUnavailable, match="disk is full"), store.write() as tx:
        tx.papers.upsert([Paper(f"p{i}", "x" * 2000) for i in range(500)], NOW)
    with store.read() as tx:
        assert tx.papers.count() == 0
    store.dispose()


def test_a_damaged_file(sqlite_url: str) -> None:
    """A file that is not a database raises StorageUnavailable."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    path.write_bytes(b"not a database at all" * 400)
    store = open_store(sqlite_url)

    with pytest.raises(StorageUnavailable, match="not a database"):
        store.page_token_key()
    store.dispose()


def test_a_missing_folder(tmp_path: Path) -> None:
    """A file that cannot be opened raises StorageUnavailable."""
    store = open_store(f"sqlite:///{tmp_path}/none/store.db")

    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        store.page_token_key()
    store.dispose()


def test_reading_transactions_cannot_write(store_url: str) -> None:
    """A reading transaction refuses to write."""
    store = open_store(store_url)

    with pytest.raises(StorageUnavailable, match="read-only"), store.read() as tx:
        tx.papers.upsert([Paper("p1", "x")], NOW)
    store.dispose()


def test_an_absent_server_keeps_the_password() -> None:
    """Neither the message, nor its cause, nor the store itself shows the password of a server that does not answer."""
    pytest.importorskip("psycopg")
    store = open_store("postgresql://ann:hunter2@127.0.0.1:1/x?connect_timeout=2")

    with pytest.raises(StorageUnavailable) as caught:
        store.page_token_key()

    assert "cannot be reached" in caught.value.message
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r} {store!r} {vars(store)!r}"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"database": "no_such_name"}, "its server has no database of that name"),
        ({"username": "nosuchann", "password": "hunter2"}, "its server has no role of that name"),
    ],
)
def test_a_server_that_refuses(postgres_url: str, changes: dict[str, str], problem: str) -> None:
    """Both the check and a read name the reason, without user names and passwords."""
    url = make_url(postgres_url).set(**changes).render_as_string(hide_password=False)
    store = open_store(url)

    for ask in (store.page_token_key, lambda: schema.check(url)):
        with pytest.raises(StorageUnavailable) as caught:
            ask()
        assert caught.value.message == f"the database is not available: {problem}"
        assert "hunter2" not in f"{caught.value.__cause__!r}"
    store.dispose()


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('FATAL:  password authentication failed for user "ann"', "its server refuses the role or its password"),
        ("fe_sendauth: no password supplied", "its server asks for a password"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "ann"', "has no rule"),
        ('FATAL:  permission denied for database "x"', "does not let this role connect"),
        ("FATAL:  sorry, too many clients already", "it has too many connections"),
        ("FATAL:  the database system is starting up", "it is starting up or shutting down"),
        ("FATAL:  something new", "its server refuses the connection"),
        ("Connection refused", "it cannot be reached"),
    ],
)
def test_refusals_of_a_server(said: str, problem: str) -> None:
    """Each refusal of PostgreSQL has its own text; a server that does not answer cannot be reached."""
    psycopg = pytest.importorskip("psycopg")
    error = psycopg.OperationalError(f'connection failed: connection to server at "h", port 5432 failed: {said}')

    with pytest.raises(StorageUnavailable, match=problem), ERRORS.translated():
        raise OperationalError(None, None, error)


@pytest.mark.postgres
def test_a_locked_row_on_postgres(postgres_url: str) -> None:
    """A writer that waits too long for another transaction fails."""
    first = open_store(postgres_url)
    second = open_store(postgres_url, busy_timeout_seconds=0.1)
    with first.write() as tx:
        tx.papers.upsert([], NOW)

        with pytest.raises(StorageUnavailable, match="locked"), second.write() as other:
            other.papers.upsert([], NOW)
    first.dispose()
    second.dispose()


def test_bugs_are_not_hidden(sqlite_url: str) -> None:
    """A wrong statement is not reported as an outage."""
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("DROP TABLE installation")
    connection.close()
    store = open_store(sqlite_url)

    with pytest.raises(DBAPIError, match="no such table"):
        store.page_token_key()
    store.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:hunter2@h/x",
        "postgresql://ann:hunter2@h:port/x",
        "sqlite://",
        "sqlite:///:memory:",
        "hunter2",
        "",
    ],
)
def test_other_databases_are_refused(url: str) -> None:
    """The error of an unsupported URL names the field, and does not repeat the URL."""
    with pytest.raises(InvalidField) as caught:
        open_store(url)

    assert caught.value.field == "db"
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("happened", ["removed", "replaced", "emptied"])
def test_a_file_that_is_not_the_opened_one(sqlite_url: str, happened: str, caplog: pytest.LogCaptureFixture) -> None:
    """If the file was removed, replaced or emptied, reads and writes fail until it is put back."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    store = open_store(sqlite_url)
    with store.write() as tx:
        tx.papers.upsert([Paper("p1", "x")], NOW)
    content = path.read_bytes()
    if happened == "emptied":
        os.truncate(path, 0)
    else:
        path.rename(path.with_suffix(".away"))
    if happened == "replaced":
        path.write_bytes(content)

    for transaction in (store.read, store.write, store.write):
        with pytest.raises(StorageUnavailable, match="removed, replaced or emptied"), transaction():
            pass
    if happened == "emptied":
        path.write_bytes(content)
    else:
        path.with_suffix(".away").rename(path)
    with store.read() as tx:
        count = tx.papers.count()
    store.dispose()

    assert count == 1
    assert [entry.message for entry in caplog.records if entry.levelname == "ERROR"] == ["database file is gone"]


@pytest.mark.parametrize("part", ["-wal", "-shm"])
@pytest.mark.parametrize("is_replaced", [False, True], ids=["removed", "replaced"])
def test_a_removed_log(sqlite_url: str, part: str, *, is_replaced: bool) -> None:
    """If the write-ahead log or its index is removed, nothing more is acknowledged, and what was stays readable."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    file = path.with_name(path.name + part)
    store = open_store(sqlite_url)
    with store.write() as tx:
        tx.papers.upsert([Paper("p1", "The first title")], NOW)
    file.rename(path.with_suffix(".away"))
    if is_replaced:
        file.touch()

    for transaction in (store.write, store.read, store.write):
        with pytest.raises(StorageUnavailable, match=f"its file {file.name} was removed"), transaction():
            pass
    if is_replaced:
        return
    # As a process that was killed leaves it: the store is not disposed of.
    with contextlib.closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT paper_id FROM papers").fetchall() == [("p1",)]


@pytest.mark.parametrize("part", ["", "-wal", "-shm"])
def test_a_file_that_is_removed_during_a_transaction(sqlite_url: str, part: str) -> None:
    """A write is not acknowledged if the file that it went to was removed before its end."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    store = open_store(sqlite_url)
    with store.read() as tx:
        tx.papers.count()

    def write() -> None:
        with store.write() as tx:
            tx.papers.upsert([Paper("p1", "x")], NOW)
            path.with_name(path.name + part).unlink()

    with pytest.raises(StorageUnavailable, match="was removed"):
        write()


@pytest.mark.slow
@pytest.mark.postgres
def test_a_server_that_stops_answering(postgres_url: str) -> None:
    """A statement without an answer fails soon, though the connection stays open, and so do later ones."""
    url = make_url(postgres_url)
    with proxy(f"{url.host}:{url.port or 5432}") as server:
        host, _, port = server.target.rpartition(":")
        through = url.set(host=host, port=int(port)).render_as_string(hide_password=False)
        store = open_store(through, statement_timeout_seconds=0.5)
        with store.read() as tx:
            assert tx.papers.count() == 0
        server.look = lambda _: threading.Event().wait()

        for transaction in (store.read, store.write):
            with pytest.raises(StorageUnavailable, match="connection was lost"), transaction() as tx:
                tx.papers.count()
        store.dispose()


@pytest.mark.postgres
def test_a_statement_that_takes_too_long(postgres_url: str) -> None:
    """PostgreSQL ends a statement at its limit; the next one works."""
    store = open_store(postgres_url, statement_timeout_seconds=0.2)

    with pytest.raises(StorageUnavailable, match="took too long"), store.connection() as connection:
        connection.execute(text("SELECT pg_sleep(30)"))
    with store.read() as tx:
        assert tx.papers.count() == 0
    store.dispose()


def test_an_outage_is_logged_once(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The first failure is logged with its cause, and the first success after it; failures in between are not."""
    blocker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    store = open_store(sqlite_url, busy_timeout_seconds=0.05)
    for _ in range(3):
        with pytest.raises(StorageUnavailable), store.write():
            pass
        with store.read():
            pass
    blocker.rollback()
    blocker.close()
    for _ in range(2):
        with store.write():
            pass
    store.dispose()

    said = [(entry.levelname, entry.message, vars(entry)["facts"]) for entry in caplog.records]
    assert [(level, message) for level, message, _ in said] == [
        ("WARNING", "database not available"),
        ("WARNING", "database available again"),
    ]
    assert said[0][2]["cause"] == "database is locked"


def test_an_outage_is_logged_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the cause without the password."""
    store = open_store("postgresql://somebody:hush-hush@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(StorageUnavailable), store.read():
        pass
    store.dispose()

    (entry,) = caplog.records
    assert "127.0.0.1" in vars(entry)["facts"]["cause"]
    assert "hush" not in str(vars(entry))
