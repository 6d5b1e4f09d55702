"""``paperfeed users forget`` on databases and a real server, with the mailer, exports and bundles."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailer.domain.subscription import ConsentKind
from mailer.storage import issues, subscribers
from mailer.storage import open_store as open_mail_store
from service.domain.events import EventType, Preferences, user_id_hash
from service.domain.feeds import FallbackReason, PrecomputedSlate, SlateItem
from service.storage import open_store
from testing.mailer.builders import issue, subscriber
from testing.servers import serving
from tests.cli.command import Done, Run
from tests.contracts.samples import NOW, add_papers, event, record

USER = "ada"
_FACTS = ("ada", "d1", 1, 4, "m1", "", 0.1, FallbackReason.NONE, NOW, 0)
SLATE = PrecomputedSlate(*_FACTS, is_whole=True, items=(SlateItem(1, "p1", 0.5),), features=b"")
NO_LIBRARY = {"libraries": 0, "library_items": 0}
EMPTY = {"profile": 0, "events": 0, "slates": 0, "precomputed_slates": 0, **NO_LIBRARY}


def fill(url: str) -> None:
    """Store two users: ada with events, preferences and a precomputed slate, and bob with one like."""
    store = open_store(url)
    add_papers(store, 3)
    record(store, event(), event(EventType.CLICK, "p1"), event(paper_id="p2"))
    record(store, event(user_id="bob"))
    with store.write() as tx:
        tx.users.save_preferences(USER, Preferences(followed_topics=("cs.LG",)), NOW)
        ada = replace(SLATE, user_version=tx.users.version(USER) or 0)
        assert tx.precomputed.put([ada, replace(SLATE, user_id="bob")]) == 2
    store.dispose()


def fill_mail(url: str) -> None:
    """Store two subscribers with an issue each; the first is ada."""
    store = open_mail_store(url)
    with store.write() as connection:
        for number, user in enumerate((USER, "bob")):
            subscribers.add(connection, subscriber(number, user_id=user))
            subscribers.record_consent(connection, subscriber(number), ConsentKind.IMPORTED, "paper", NOW)
            issues.add(connection, issue(number))
    store.dispose()


def counts(result: dict[str, Any], part: str) -> dict[str, dict[str, int]]:
    """Return the counts by the kind of place: ``database``, ``mailer`` and so on."""
    return {each["place"].partition(" ")[0]: each["counts"] for each in result[part]}


def told(done: Done, code: int = 0) -> dict[str, Any]:
    """Return the JSON result of a command that ended with this code."""
    assert done.code == code, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_databases(urls: tuple[str, str], paperfeed: Run) -> None:
    """All rows of the user leave both databases, those of others stay, and a second run finds nothing."""
    url, mail_url = urls
    fill(url)
    fill_mail(mail_url)
    command = ("users", "forget", USER, "--db", url, "--mail-db", mail_url, "--verify", "--json")

    first = told(paperfeed(*command))
    again = told(paperfeed(*command))

    mail = {"subscriptions": 1, "consents": 1, "confirmations": 0, "issues": 1, "issue_papers": 1, "reactions": 0}
    database = {"profile": 1, "events": 3, "slates": 0, "precomputed_slates": 1, **NO_LIBRARY}
    assert counts(first, "found") == {"mailer": mail, "database": database}
    assert counts(first, "left") == counts(again, "found") == {"mailer": dict.fromkeys(mail, 0), "database": EMPTY}
    assert first["deleted_at"] == again["deleted_at"]
    assert first["user_id_hash"] == user_id_hash(USER)
    audited = told(paperfeed("audit", "--db", url, "--user", USER, "--json"))["entries"]
    assert [(each["actor"], each["action"], each["outcome"]) for each in audited] == [
        ("command line", "users forget", "OK")
    ] * 2
    other = told(paperfeed(*(word if word != USER else "bob" for word in command)))
    assert counts(other, "found")["database"] == {
        "profile": 1,
        "events": 1,
        "slates": 0,
        "precomputed_slates": 1,
        **NO_LIBRARY,
    }
    assert counts(other, "found")["mailer"] == mail


def test_the_file_of_sqlite_keeps_nothing(paperfeed: Run, tmp_path: Path) -> None:
    """Deleted rows are overwritten: the id is in no free page and in no log."""
    user, file = "user-with-a-name-of-its-own", tmp_path / "paperfeed.db"
    url = f"sqlite:///{file}"
    assert paperfeed("db", "upgrade", "--db", url).code == 0
    store = open_store(url)
    add_papers(store, 3)
    record(store, event(user_id=user), event(user_id="bob"))
    store.dispose()
    assert user.encode() in file.read_bytes()

    assert paperfeed("users", "forget", user, "--db", url, "--verify").code == 0

    kept = b"".join(each.read_bytes() for each in tmp_path.glob("paperfeed.db*"))
    assert user.encode() not in kept
    assert b"bob" in kept


def test_a_server(paperfeed: Run, tmp_path: Path) -> None:
    """Over gRPC the same is found and removed; slates of a user without events count too."""
    url = f"sqlite:///{tmp_path / 'served.db'}"
    assert paperfeed("db", "upgrade", "--db", url).code == 0
    fill(url)
    with serving(url) as service:
        command = ("users", "forget", USER, "--server", service.target, "--verify")
        found = told(paperfeed(*command, "--json"))
        text = paperfeed(*command)
        stranger = told(paperfeed("users", "forget", "nobody", "--server", service.target, "--json"))

    assert counts(found, "found")["server"] == {
        "profile": 1,
        "events": 3,
        "slates": 0,
        "precomputed_slates": 1,
        **NO_LIBRARY,
    }
    assert counts(found, "left")["server"] == EMPTY
    assert found["not_searched"]
    assert text.out.splitlines() == [
        f"found  server {service.target}: nothing",
        "not searched  the mailer: name its database with --mail-db, or its next run removes the subscriber",
        "verified: nothing is left in these places",
    ]
    assert (stranger["deleted_at"], stranger["left"]) == (None, None)


def test_a_key_without_the_right(paperfeed: Run, tmp_path: Path) -> None:
    """A key needs users:admin and feeds:read: without one of them nothing is deleted anywhere."""
    url, mail_url = f"sqlite:///{tmp_path / 'served.db'}", f"sqlite:///{tmp_path / 'mail.db'}"
    assert paperfeed("db", "upgrade", "--db", url).code == 0
    assert paperfeed("mail", "upgrade", "--mail-db", mail_url).code == 0
    fill(url)
    fill_mail(mail_url)
    for name, scopes in (("read", ["feeds:read"]), ("admin", ["users:admin"]), ("both", ["feeds:read", "users:admin"])):
        words = [word for scope in scopes for word in ("--scope", scope)]
        (tmp_path / name).write_text(paperfeed("keys", "create", name, *words, "--db", url).out, encoding="utf-8")

    with serving(url, auth="keys") as service:
        command = ("users", "forget", USER, "--server", service.target, "--mail-db", mail_url, "--verify", "--json")
        for name in ("read", "admin"):
            denied = paperfeed(*command, PAPERFEED_API_KEY_FILE=str(tmp_path / name))
            assert denied.code == 1
            assert "PERMISSION_DENIED" in denied.err
        done = told(paperfeed(*command, PAPERFEED_API_KEY_FILE=str(tmp_path / "both")))

    assert counts(done, "found")["server"]["events"] == 3
    assert counts(done, "found")["mailer"]["subscriptions"] == 1


def test_exports_and_bundles(paperfeed: Run, tmp_path: Path) -> None:
    """Rows leave an earlier export, the next export has none, and bundles trained while the user was stored are due."""
    url = f"sqlite:///{tmp_path / 'paperfeed.db'}"
    assert paperfeed("db", "upgrade").code == 0
    fill(url)
    files = tmp_path / "files"
    assert paperfeed("export", "--out", files / "export", "--events").code == 0
    for name, taken_at in (("due", NOW + dt.timedelta(days=1)), ("early", NOW - dt.timedelta(days=1))):
        (files / name).mkdir()
        params = {"taken_at": {"database": taken_at.isoformat()}}
        fields = {"version": f"{name}\x1b[2J", "fingerprint": "", "metrics": {"database": {}}, "params": params}
        (files / name / "manifest.json").write_text(json.dumps(fields), encoding="utf-8")

    done = paperfeed("users", "forget", USER, "--db", url, "--files", files, "--verify", "--json")
    found = told(done)

    assert counts(found, "found")["export"] == {"events": 3, "profiles": 1, "papers": 3}
    assert counts(found, "left") == {"database": EMPTY, "files": {}}
    assert [each["version"] for each in found["due_bundles"]] == ["due\x1b[2J"]
    assert "removing the user's rows from" in done.err
    assert paperfeed("export", "--out", files / "next", "--events").code == 0
    text = paperfeed("users", "forget", USER, "--db", url, "--files", files)
    assert text.code == 0
    assert f"found  files {files}: nothing" in text.out
    assert "not searched  files under --files that are not Parquet" in text.out
    # The time from which the user was stored is not known any more, so older bundles are due too.
    assert text.out.count("due for training again:") == 2
    assert "\x1b" not in text.out


def test_what_cannot_be_removed(paperfeed: Run, tmp_path: Path) -> None:
    """Rows of an unfinished job are named, and the command fails, with --verify and without."""
    assert paperfeed("db", "upgrade").code == 0
    training = tmp_path / "files" / ".bundle.partial"
    training.mkdir(parents=True)
    (training / "_training.json").write_text("{}", encoding="utf-8")
    command = ("users", "forget", USER, "--db", f"sqlite:///{tmp_path / 'paperfeed.db'}", "--files", training.parent)

    for words, sign in ((command, "found"), ((*command, "--verify"), "LEFT")):
        done = paperfeed(*words)
        assert done.code == 1
        assert f"{sign}  " in done.out
        assert "holds feature rows without user ids: finish the training, or remove the folder" in done.out


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("bad\nid", "--db", "sqlite:///paperfeed.db"), 2, "user"),
        ((USER, "--db", "sqlite:///paperfeed.db", "--server", "localhost:1"), 2, "--server"),
        ((USER, "--db", "sqlite:///none.db"), 1, "no such database file"),
        ((USER, "--server", "localhost:1"), 1, "no server answers at localhost:1"),
        ((USER, "--db", "sqlite:///paperfeed.db", "--mail-db", "sqlite:///none.db"), 1, "no such database file"),
        ((USER, "--files", "/nowhere"), 2, "files"),
    ],
)
def test_failures(paperfeed: Run, words: tuple[str, ...], code: int, problem: str) -> None:
    """Wrong usage ends with 2, a service or database that does not answer with 1."""
    assert paperfeed("db", "upgrade").code == 0

    done = paperfeed("users", "forget", *words)

    assert done.code == code, done.err
    assert problem in done.err
