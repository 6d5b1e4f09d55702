"""``paperfeed library sync``: a Zotero library on loopback, and a file."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.storage import open_store
from tests.cli.command import Done, Run, row_counts
from tests.process.running import ROOT, command, settings
from tests.service.fetch.web_server import Request
from tests.service.fetch.zotero_server import KEY, ZoteroServer, article, zotero_server

pytestmark = pytest.mark.usefixtures("empty_db")

Sync = Callable[..., dict[str, Any]]
BIB = """
@article{{noll{number}, title = {{Field notes on moss number {number}}}, author = {{Noll, Ida}},
  doi = {{10.9999/moss.{number}}}}}
"""


@pytest.fixture
def server() -> Iterator[ZoteroServer]:
    """A server with an empty library."""
    with zotero_server() as server:
        yield server


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with the key."""
    file = tmp_path / "zotero.key"
    file.write_text(f"{KEY}\n", encoding="utf-8")
    return file


@pytest.fixture
def sync(paperfeed: Run, server: ZoteroServer, key_file: Path) -> Sync:
    """Sync the server's library for a user, check the exit code, and return what is printed as JSON."""

    def run(*options: object, code: int = 0) -> dict[str, Any]:
        done = run_zotero(paperfeed, server, "--key-file", key_file, *options, "--json")
        assert done.code == code, done.err
        assert KEY not in done.out + done.err
        found: dict[str, Any] = json.loads(done.out) if done.out else {"error": done.err}
        return found

    return run


def run_zotero(paperfeed: Run, server: ZoteroServer, *options: object, **environment: str) -> Done:
    """Run ``paperfeed library sync zotero`` for one user, without waits."""
    values = {"PAPERFEED_ZOTERO_API_URL": server.url, "PAPERFEED_FETCH_WAIT_SECONDS": "0", "PAPERFEED_FETCH_TRIES": "2"}
    return paperfeed("library", "sync", "zotero", "--user", "me", *options, **(values | environment))


def bibtex(*numbers: int) -> str:
    """Return a library of these articles."""
    return "".join(BIB.format(number=number) for number in numbers)


def test_a_zotero_library(sync: Sync, server: ZoteroServer, paperfeed: Run) -> None:
    """All items become likes; a second run changes nothing; changes come and go; what was left out is named."""
    server.put_many({f"KEY0000{number}": article(number) for number in range(4)} | {"BARE0001": {"title": ""}})
    first = sync()
    assert first == {
        "source": "zotero:users/475425",
        "added": 4,
        "removed": 0,
        "unchanged": 0,
        "new_papers": 4,
        "liked": 4,
        "unliked": 0,
        "embedded": 4,
        "overruled": [],
        "kept": [],
        "roomless": 0,
        "skipped": [{"line": None, "key": "BARE0001", "reason": "has no title"}],
        "repaired": [],
    }
    second = sync()
    assert (second["added"], second["removed"], second["unchanged"]) == (0, 0, 4)
    server.put("KEY00000", deleted=1)
    server.put("KEY00009", **article(9))
    third = sync()
    assert (third["added"], third["removed"], third["unchanged"], third["unliked"]) == (1, 1, 3, 1)
    shown = run_zotero(paperfeed, server, PAPERFEED_ZOTERO_KEY=KEY)
    assert shown.out == "zotero:users/475425: nothing changed, 4 items\n"


def test_chosen_collections(sync: Sync, server: ZoteroServer) -> None:
    """Other collections than last time are read whole; items outside them are taken back."""
    server.put_collection("MOSS0001", "Moss")
    server.put("KEY00001", **article(1), collections=["MOSS0001"])
    server.put("KEY00002", **article(2))
    assert sync()["added"] == 2
    assert sync("--collection", "MOSS0001")["unliked"] == 1
    assert sync()["liked"] == 1
    assert "no collection NONE0001; it has: MOSS0001 (Moss)" in sync("--collection", "NONE0001", code=2)["error"]
    assert sync("--library", "groups/7")["source"] == "zotero:groups/7"


def test_collections_are_interests(sync: Sync, server: ZoteroServer, db_path: Path) -> None:
    """Each collection with papers becomes an interest of its name and follows it; without the option none does."""

    def interests() -> dict[str, tuple[str, int]]:
        store = open_store(f"sqlite:///{db_path}")
        try:
            with store.read() as tx:
                state = tx.users.find_state("me")
        finally:
            store.dispose()
        held = state.interests.interests if state and state.interests else ()
        return {each.interest_id.rpartition("/")[2]: (each.name, len(each.paper_ids)) for each in held}

    server.put_collection("MOSS0001", "Moss")
    server.put_collection("FERN0001", "Ferns")
    server.put("KEY00001", **article(1), collections=["MOSS0001"])
    server.put("KEY00002", **article(2))
    sync()
    assert interests() == {}
    sync("--collections-as-interests")
    assert interests() == {"MOSS0001": ("Moss", 1)}
    server.put("KEY00002", **article(2), collections=["MOSS0001", "FERN0001"])
    server.put_collection("MOSS0001", "Mosses")
    sync()
    assert interests() == {"MOSS0001": ("Mosses", 2), "FERN0001": ("Ferns", 1)}
    sync("--no-collections-as-interests")
    server.put("KEY00002", deleted=1)
    sync()
    assert interests() == {"MOSS0001": ("Mosses", 2), "FERN0001": ("Ferns", 1)}


def test_failures_store_nothing(sync: Sync, server: ZoteroServer, db_path: Path) -> None:
    """If all attempts to read a page fail, the sync stores nothing. The next sync reads the whole library."""
    server.put_many({f"KEY{number:05d}": article(number) for number in range(150)})

    def broken(request: Request) -> bool:
        if request.query.get("start") != "100":
            return False
        request.reply(b"", 503, Retry_After="0")
        return True

    server.faults.append(broken)
    assert "items/top: it answered 503 (2 tries)" in sync(code=1)["error"]
    assert row_counts(db_path)["papers"] == row_counts(db_path)["users"] == 0
    server.faults.clear()
    assert sync("--no-embed")["added"] == 150


def test_keys(paperfeed: Run, server: ZoteroServer, tmp_path: Path) -> None:
    """A missing, unreadable, malformed or wrong key is told apart, and never shown."""
    missing = run_zotero(paperfeed, server)
    assert (missing.code, "settings/keys" in missing.err) == (2, True)
    assert "cannot be read" in run_zotero(paperfeed, server, "--key-file", tmp_path / "none").err
    odd = run_zotero(paperfeed, server, PAPERFEED_ZOTERO_KEY="not a key")
    assert (odd.code, "not a key" in odd.err) == (2, False)
    wrong = run_zotero(paperfeed, server, PAPERFEED_ZOTERO_KEY="Wrong1234")
    assert wrong.code == 1
    assert "403: the API key is not valid" in wrong.err
    assert "Wrong1234" not in wrong.err
    assert "'me' is not users/ID" in run_zotero(paperfeed, server, "--library", "me").err


def test_a_file(paperfeed: Run, tmp_path: Path) -> None:
    """A file is read again only if it changed; a file that is cut off or empty changes nothing."""
    file = tmp_path / "refs.bib"

    def run(text: str | None = None, code: int = 0) -> dict[str, Any]:
        if text is not None:
            file.write_text(text, encoding="utf-8")
        done = paperfeed("library", "sync", "file", file, "--user", "me", "--json")
        assert done.code == code, done.err
        found: dict[str, Any] = json.loads(done.out) if done.out else {"error": done.err}
        return found

    assert "cannot be read" in run(code=1)["error"]
    first = run(bibtex(1, 2, 3) + "@article{bare, author = {Noll}}")
    assert (first["source"], first["added"], first["liked"]) == (f"file:{file}", 3, 3)
    assert [problem["key"] for problem in first["skipped"]] == ["bare"]
    assert run()["unchanged"] == 3
    assert "cut off" in run(bibtex(1, 2, 3)[:-30], code=1)["error"]
    assert run("", code=1)["error"]
    assert "no entry could be read" in run("@article{noll1, author = {Noll}}", code=1)["error"]
    changed = run(bibtex(2, 3, 4) + "@article{noll1, author = {Noll}}")
    assert (changed["added"], changed["removed"], changed["unchanged"]) == (1, 0, 3)
    changed = run(bibtex(2, 3, 3, 4))
    assert (changed["unliked"], changed["removed"]) == (1, 2)


@pytest.mark.slow
def test_a_watched_file(tmp_path: Path) -> None:
    """Each change of the file is synced, also if it is replaced or broken for a while, until SIGTERM."""
    file = tmp_path / "refs.bib"
    values = settings(db=f"sqlite:///{tmp_path / 'paperfeed.db'}", encoder="hashing")
    words = command("library", "sync", "file", str(file), "--user", "me", "--watch", "--json")
    with subprocess.Popen(
        words, env=values, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        file.write_text(bibtex(1, 2), encoding="utf-8")
        assert json.loads(process.stdout.readline())["added"] == 2
        file.write_text(bibtex(1)[:-30], encoding="utf-8")
        assert "cut off" in process.stderr.readline()
        aside = tmp_path / "aside"
        aside.write_text(bibtex(2, 3), encoding="utf-8")
        aside.replace(file)
        found = json.loads(process.stdout.readline())
        assert (found["added"], found["removed"], found["unchanged"]) == (1, 1, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.slow
def test_three_thousand_items(sync: Sync, server: ZoteroServer, record_property: Callable[[str, object], None]) -> None:
    """A first sync of 3,000 items asks for 30 pages; then one request shows no change. The report has the time."""
    server.put_many({f"KEY{number:05d}": article(number) for number in range(3000)})
    began = time.process_time()
    first = sync("--no-embed")
    record_property("first_sync_cpu_seconds", time.process_time() - began)
    assert (first["added"], first["liked"]) == (3000, 3000)
    assert len(server.asked()) == 1 + 1 + 30

    server.put("KEY00007", deleted=1)
    began = time.process_time()
    assert sync("--no-embed")["removed"] == 1
    record_property("later_sync_cpu_seconds", time.process_time() - began)
    assert len(server.asked()) == 5
    assert sync("--no-embed")["unchanged"] == 2999
    assert len(server.asked()) == 2
