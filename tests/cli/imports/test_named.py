"""``paperfeed library add``, from a server on loopback."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Run
from tests.service.fetch.arxiv_pages import page
from tests.service.fetch.web_server import web_server

pytestmark = pytest.mark.usefixtures("empty_db")

Library = Callable[..., dict[str, Any]]


@pytest.fixture
def library(paperfeed: Run) -> Library:
    """Run ``paperfeed library``, check its exit code, and return what it prints as JSON."""

    def run(url: str, *words: object, code: int = 0) -> dict[str, Any]:
        values = {"PAPERFEED_ARXIV_API_URL": url, "PAPERFEED_FETCH_TRIES": "1", "PAPERFEED_FETCH_PAUSE_SECONDS": "0"}
        done = paperfeed("library", *words, "--json", **values)
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
