"""``paperfeed library add`` and ``paperfeed library zotero``, from servers on loopback."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Run
from tests.service.fetch.arxiv_pages import page
from tests.service.fetch.web_server import Request, web_server

Library = Callable[..., dict[str, Any]]


@pytest.fixture
def library(paperfeed: Run) -> Library:
    """Run ``paperfeed library``, check its exit code, and return what it prints as JSON."""

    def run(url: str, *words: object, code: int = 0) -> dict[str, Any]:
        values = dict.fromkeys(("PAPERFEED_ARXIV_API_URL", "PAPERFEED_ZOTERO_API_URL"), url)
        done = paperfeed(
            "library", *words, "--json", **values, PAPERFEED_FETCH_TRIES="1", PAPERFEED_FETCH_PAUSE_SECONDS="0"
        )
        assert done.code == code, done.err
        found: dict[str, Any] = json.loads(done.out) if done.out else {}
        return found | {"error": done.err}

    return run


def liked(db_path: Path) -> set[str]:
    """Return the ids of the papers that the user ``me`` likes."""
    with closing(sqlite3.connect(db_path)) as connection:
        rows = connection.execute("select paper_id from events where user_id = 'me' and event_type = 'like'")
        return {paper_id for (paper_id,) in rows}


def test_named_papers(library: Library, db_path: Path, tmp_path: Path) -> None:
    """Ids and addresses are fetched in one request, titles are papers by themselves, and unknown ids are named."""
    names = [
        "# mine",
        "- 2603.00000",
        "https://arxiv.org/abs/2603.00001v2",
        "2. Attention is all you need",
        "2603.99999",
    ]
    (tmp_path / "likes.txt").write_text("\n".join(["", *names]), encoding="utf-8")
    with web_server() as server:
        server.say(lambda request: request.reply(page(range(2), 2)))
        found = library(server.url, "add", "--from", tmp_path / "likes.txt")
        assert len(server.requests) == 1
        again = library(server.url, "add", "--from", tmp_path / "likes.txt")
    assert (found["papers"], found["liked"], again["liked"]) == (3, 3, 0)
    assert [(each["line"], each["key"]) for each in found["skipped"]] == [(6, "2603.99999")]
    assert {"arxiv:2603.00000", "arxiv:2603.00001"} < liked(db_path)


def test_titles_need_no_network(library: Library) -> None:
    """Titles alone cause no request; neither names nor a file, or only unknown ids, is an error."""
    assert library("http://127.0.0.1:1", "add", "Attention is all you need")["liked"] == 1
    assert "name papers, or a file with --from" in library("http://127.0.0.1:1", "add", code=2)["error"]
    assert "127.0.0.1:1" in library("http://127.0.0.1:1", "add", "2603.00000", code=1)["error"]
    with web_server() as server:
        server.say(lambda request: request.reply(page(range(0), 0)))
        assert "nothing could be imported" in library(server.url, "add", "2603.00000", code=1)["error"]


def item(number: int, kind: str = "journalArticle", **values: Any) -> dict[str, Any]:
    """Return an item as Zotero's API writes it."""
    data = {
        "key": f"ITEM{number:04d}",
        "version": number,
        "itemType": kind,
        "title": f"An article about cells, part {number}",
        "creators": [
            {"creatorType": "author", "firstName": "Ada", "lastName": "Lovelace"},
            {"creatorType": "editor", "firstName": "Ed", "lastName": "Itor"},
            {"creatorType": "author", "name": "The Group"},
        ],
        "abstractNote": "We study cells.",
        "DOI": f"10.1000/{number}",
        "url": "",
        "extra": "",
        "date": "2024-05-01",
        "dateAdded": "2025-01-02T03:04:05Z",
    }
    return {"key": data["key"], "version": number, "data": data | values}


def serve_items(items: list[Any]) -> Callable[[Request], None]:
    """Return the handler of a library with these items."""

    def answer(request: Request) -> None:
        start, limit = int(request.query["start"]), int(request.query["limit"])
        request.reply(json.dumps(items[start : start + limit]).encode())

    return answer


def test_zotero(library: Library, db_path: Path, tmp_path: Path) -> None:
    """All pages are read with the key; notes are no papers, an arXiv id in extra counts, bad items are named."""
    items = [item(number) for number in range(148)]
    items += [item(148, "note"), item(149, extra="arXiv: 2310.12345 [cs.LG]", DOI=""), item(150, title=""), 7]
    (tmp_path / "key").write_text("s3cret\n")
    with web_server() as server:
        server.answer = serve_items(items)
        found = library(server.url, "zotero", "users/12", "--key-file", tmp_path / "key")
        assert [path.partition("?")[0] for path, _ in server.requests] == ["/users/12/items/top"] * 2
        assert {headers["Authorization"] for _, headers in server.requests} == {"Bearer s3cret"}
    assert (found["papers"], found["liked"]) == (149, 149)
    assert len(found["skipped"]) == 2
    assert {"doi:10.1000/0", "arxiv:2310.12345"} < liked(db_path)
    with closing(sqlite3.connect(db_path)) as connection:
        (authors,) = connection.execute("select authors from papers where paper_id = 'doi:10.1000/0'").fetchone()
        (added,) = connection.execute("select occurred_at from events where paper_id = 'doi:10.1000/0'").fetchone()
    assert json.loads(authors) == ["Ada Lovelace", "The Group"]
    assert added.startswith("2025-01-02 03:04:05")


def test_zotero_refuses(library: Library, tmp_path: Path) -> None:
    """A wrong key, a wrong name of a library, a missing key file and an empty library are each one line."""
    with web_server() as server:
        server.say(lambda request: request.reply(b"Forbidden", 403))
        assert "it answered 403 Forbidden" in library(server.url, "zotero", "users/12", code=1)["error"]
        server.say(lambda request: request.reply(b'{"a": 1}'))
        assert "must be a list of items" in library(server.url, "zotero", "users/12", code=1)["error"]
        server.say(lambda request: request.reply(b"[]"))
        assert "nothing could be imported" in library(server.url, "zotero", "users/12", code=1)["error"]
    assert "'me' is not users/NUMBER" in library(server.url, "zotero", "me", code=2)["error"]
    missing = library(server.url, "zotero", "users/12", "--key-file", tmp_path / "none", code=2)
    assert "key-file:" in missing["error"]
