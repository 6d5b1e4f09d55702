"""The migrations make the whole schema, and upgrade databases of every released revision."""

import contextlib
import datetime as dt
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, create_engine, insert, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import NullPool

from database import columns
from database.engine import parse_url
from database.statements import to_row
from mailer.storage import schema as mail_schema
from service.domain.errors import SchemaMismatch, StorageUnavailable
from service.domain.events import DeletedUser, Event, EventType, Like, user_id_hash
from service.domain.feeds import FallbackReason, Reason, ReasonType, SlateItem
from service.domain.papers import EmbeddingState, Paper, UpsertOutcome
from service.storage import open_store, schema
from service.storage.tables import metadata
from tests.databases import ENGINES, new_database

KEPT = sorted((Path(__file__).parent / "kept").glob("*.sqlite"))
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=dt.UTC)
TIMES = {"created_at": NOW, "updated_at": NOW}


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    with new_database(request.param, tmp_path) as url:
        yield url


def table_names(url: str) -> set[str]:
    """Return the names of all tables."""
    engine = create_engine(parse_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def set_revision(url: str, revision: str) -> None:
    """Set the stored revision of the database."""
    engine = create_engine(parse_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_an_empty_database_is_upgraded(empty_url: str) -> None:
    """An empty database is upgraded to the newest revision; a second upgrade does nothing."""
    with pytest.raises((SchemaMismatch, StorageUnavailable), match=r"run `paperfeed db upgrade`|no such database file"):
        schema.check(empty_url)
    assert schema.current_revision(empty_url) is None

    assert schema.upgrade(empty_url) == (None, schema.HEAD)
    assert schema.upgrade(empty_url) == (schema.HEAD, schema.HEAD)
    schema.check(empty_url)


def test_tables_match_the_migrations(empty_url: str) -> None:
    """The tables of the statements equal the tables of the migrations."""
    schema.upgrade(empty_url)
    engine = create_engine(parse_url(empty_url), poolclass=NullPool)

    with engine.connect() as connection:
        # Triggers and a generated column fill the indexes of the search; no statement writes them.
        search = inspect(connection).get_table_names() if connection.dialect.name == "sqlite" else ["words"]
        unused = {name for name in search if name.startswith(("paper_numbers", "paper_texts", "words"))}
        unused.add("ix_papers_words")
        options = {"compare_type": True, "include_name": lambda name, *_: name not in unused}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_a_newer_schema_is_refused(empty_url: str) -> None:
    """A database of a newer paperfeed is neither used nor migrated."""
    schema.upgrade(empty_url)
    set_revision(empty_url, "9999")

    for call in (schema.check, schema.upgrade):
        with pytest.raises(SchemaMismatch, match="newer paperfeed"):
            call(empty_url)
    assert schema.current_revision(empty_url) == "9999"


def test_an_older_schema_is_refused(empty_url: str) -> None:
    """The error of a database of an older paperfeed names the command that upgrades it."""
    schema.upgrade(empty_url, "0001")

    with pytest.raises(SchemaMismatch, match=f"older than {schema.HEAD}; run `paperfeed db upgrade`"):
        schema.check(empty_url)


def test_checking_makes_no_file(tmp_path: Path) -> None:
    """Reading the revision of a missing database does not create a file."""
    assert schema.current_revision(f"sqlite:///{tmp_path}/none.db") is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file that is not a database is reported and not overwritten."""
    path = tmp_path / "rubbish.db"
    path.write_bytes(b"rubbish" * 1000)

    with pytest.raises(StorageUnavailable, match="not a database"):
        schema.upgrade(f"sqlite:///{path}")
    assert path.read_bytes() == b"rubbish" * 1000


def test_upgrades_at_the_same_time(empty_url: str) -> None:
    """If several processes start on an empty database, one migrates and the others wait."""
    program = "import sys; from service.storage import schema; print(schema.upgrade(sys.argv[1]))"
    children = [
        subprocess.Popen([sys.executable, "-c", program, empty_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    outputs = [child.communicate(timeout=60) for child in children]

    assert [child.returncode for child in children] == [0, 0, 0], outputs
    assert sum(b"None" in stdout for stdout, _ in outputs) == 1
    schema.check(empty_url)


@pytest.mark.parametrize("schema", [schema, mail_schema], ids=["service", "mailer"])
def test_the_constants_match_the_scripts(schema: ModuleType) -> None:
    """The revisions that the code lists are those of the scripts, in their order."""
    config = Config()
    config.set_main_option("script_location", str(Path(str(schema.__file__)).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)

    assert scripts.get_heads() == [schema.HEAD]
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == schema.KNOWN_REVISIONS


def test_alembic_is_not_loaded_at_start() -> None:
    """Opening a store and checking a schema do not import Alembic."""
    program = "import sys, service.storage, service.storage.schema; sys.exit('alembic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_revision_is_kept() -> None:
    """A database of every released revision is kept for the tests."""
    assert [path.stem for path in KEPT] == list(schema.KNOWN_REVISIONS)


def definitions(path: Path) -> dict[str, str]:
    """Return the SQL of each table and index of a file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


@pytest.mark.parametrize("kept", KEPT, ids=[path.stem for path in KEPT])
def test_released_scripts_still_make_the_same_schema(kept: Path, tmp_path: Path) -> None:
    """A new database at an old revision has the SQL of the database that was kept of it."""
    schema.upgrade(f"sqlite:///{tmp_path / 'new.db'}", kept.stem)

    assert definitions(tmp_path / "new.db") == definitions(kept)


def test_declarations_of_released_scripts_keep_their_sql() -> None:
    """On PostgreSQL, ids sort by code point and sequences have 64 bits, as when the scripts were released."""
    dialect = postgresql.dialect()

    assert (columns.Id.compile(dialect), columns.Sequence.compile(dialect)) == ('TEXT COLLATE "C"', "BIGINT")


@pytest.mark.parametrize("kept", KEPT, ids=[path.stem for path in KEPT])
def test_kept_databases_are_upgraded_and_used(kept: Path, tmp_path: Path) -> None:
    """A database of an earlier release is upgraded, read and changed."""
    shutil.copy(kept, tmp_path / "kept.db")
    url = f"sqlite:///{tmp_path / 'kept.db'}"

    assert schema.upgrade(url) == (kept.stem, schema.HEAD)
    store = open_store(url)
    with store.write() as tx:
        known = tx.papers.find_many(["arxiv:2401.00001", "p2"])
        state, slate, digest = (
            tx.users.find_state("ada"),
            tx.slates.find("s1", with_features=True),
            tx.digests.find_newest(),
        )
        tombstones = tx.users.deleted(since=None, after=None, limit=9)
        assert tx.papers.upsert([Paper("x", "A second paper kept", upvotes=5)], NOW) == [("p2", UpsertOutcome.UPDATED)]
        assert tx.papers.vectors(["p2"], "mini")["p2"].tolist() == [1.0, 1.0]
    store.dispose()

    assert known["arxiv:2401.00001"].upvotes == 3
    assert known["p2"].embedding_state is EmbeddingState.READY
    assert state is not None
    assert state.likes == (Like("p2", NOW),)
    assert slate is not None
    assert slate.items == (SlateItem(1, "p2", 0.5, (Reason(ReasonType.FRESH),)),)
    assert slate.features == b"\x00\x00\x80?"
    assert slate.statistics_version == 0
    assert digest is not None
    assert digest.paper_ids == ("p2", "arxiv:2401.00001")
    assert tombstones == [DeletedUser(user_id_hash("bob"), NOW)]


def test_events_are_kept_when_their_ids_become_those_of_users(empty_url: str) -> None:
    """The events of 0006 stay, and numbers of deleted events are not given again."""
    schema.upgrade(empty_url, "0006")
    engine = create_engine(parse_url(empty_url), poolclass=NullPool)
    old = metadata.tables["events"]
    with engine.begin() as connection:
        connection.execute(insert(metadata.tables["users"]), {"user_id": "ada", "version": 1} | TIMES)
        paper = Paper("p1", "A paper", first_seen_at=NOW)
        connection.execute(insert(metadata.tables["papers"]), to_row(paper, text_hash=paper.text_hash))
        likes = [Event(f"e{number}", "ada", "p1", EventType.LIKE, NOW) for number in range(3)]
        connection.execute(insert(old), [to_row(like, recorded_at=NOW) for like in likes])
        connection.execute(old.delete().where(old.c.event_id == "e2"))

    schema.upgrade(empty_url)
    store = open_store(empty_url)
    with store.write() as tx:
        assert list(tx.users.events("ada")) == likes[:2]
        assert tx.users.record([replace(likes[0], user_id="bob")], NOW) == [True]
        assert [sequence for sequence, _ in tx.users.events_after("bob", 3, limit=9)] == [4]
    store.dispose()


def test_stale_digests_get_a_column(empty_url: str) -> None:
    """A slate whose fallback reason was a stale digest was ranked by the model, from a stale digest."""
    schema.upgrade(empty_url, "0006")
    row = dict.fromkeys(("user_id", "digest_id", "model_version", "request_hash", "features_version"), "")
    row |= {"items": "[]", "features": b"", "as_of": NOW, "created_at": NOW, "pending_paper_count": 0}
    before = Table("slates", MetaData(), autoload_with=(engine := create_engine(parse_url(empty_url))))
    with engine.begin() as connection:
        for reason in ("stale_digest", "new_user"):
            connection.execute(before.insert(), row | {"slate_id": reason, "fallback_reason": reason})
    engine.dispose()

    schema.upgrade(empty_url)

    store = open_store(empty_url)
    with store.read() as tx:
        found = [slate for name in ("stale_digest", "new_user") if (slate := tx.slates.find(name))]
    store.dispose()
    assert [(slate.fallback_reason, slate.stale_digest) for slate in found] == [
        (FallbackReason.NONE, True),
        (FallbackReason.NEW_USER, False),
    ]


def test_statistics_without_stems_are_counted_again(empty_url: str) -> None:
    """The statistics of 0014 go, because their terms differ, and their versions are not given again."""
    schema.upgrade(empty_url, "0014")
    engine = create_engine(parse_url(empty_url), poolclass=NullPool)
    row = {"encoder": "mini", "paper_count": 100, "vector_version": 7, "claimed_at": NOW, "counted_at": NOW}
    with engine.begin() as connection:
        connection.execute(insert(metadata.tables["catalog_statistics"]), row | {"data": b"old"})

    schema.upgrade(empty_url)

    store = open_store(empty_url)
    with store.write() as tx:
        assert tx.statistics.counted("mini") == []
        claim = tx.statistics.claim(
            "mini", after=0, paper_count=100, vector_version=7, now=NOW, lease=dt.timedelta(minutes=10)
        )
    store.dispose()
    assert claim == 2


def test_a_failed_migration_changes_nothing(tmp_path: Path) -> None:
    """A migration that leaves broken foreign keys is rolled back as a whole."""
    path = tmp_path / "broken.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE children (id INTEGER REFERENCES parents)")
        connection.execute("INSERT INTO children VALUES (1)")
    connection.close()

    with pytest.raises(RuntimeError, match="rows of children that point to nothing"):
        schema.upgrade(f"sqlite:///{path}")
    assert table_names(f"sqlite:///{path}") == {"parents", "children"}
