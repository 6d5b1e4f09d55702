"""``paperfeed fetch``, from a server on loopback."""

import datetime as dt
import json
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Run
from tests.process.running import ROOT, command, settings
from tests.service.fetch.arxiv_pages import page, serve_pages
from tests.service.fetch.web_server import Request, web_server

Fetch = Callable[..., dict[str, Any]]


def environment(url: str) -> dict[str, str]:
    """Settings for sources on loopback, without pauses."""
    return {
        "PAPERFEED_ENCODER": "hashing",
        "PAPERFEED_ARXIV_API_URL": url,
        "PAPERFEED_HF_DAILY_URL": url,
        "PAPERFEED_FETCH_PAUSE_SECONDS": "0",
        "PAPERFEED_FETCH_WAIT_SECONDS": "0",
        "PAPERFEED_FETCH_TRIES": "2",
    }


@pytest.fixture
def fetch(paperfeed: Run) -> Fetch:
    """Run ``paperfeed fetch``, check its exit code, and return what it prints as JSON."""

    def run(url: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = paperfeed("fetch", *arguments, "--json", **environment(url))
        assert done.code == code, done.err
        found: dict[str, Any] = json.loads(done.out) if done.out else {"error": done.err}
        return found

    return run


def test_fetched_papers_become_a_digest(fetch: Fetch) -> None:
    """Papers are stored and embedded; a second fetch adds nothing; half a source is kept, and the exit code says so."""
    monday = "2026-03-09"
    with web_server() as server:
        server.answer = serve_pages(120)
        arxiv = ("arxiv", "--categories", "cs.LG", "--days", "3", "--date", monday)
        first = fetch(server.url, *arxiv)
        assert first == {
            "digest_id": f"arxiv-{monday}",
            "date": monday,
            "papers": 120,
            "new": 120,
            "embedded": 120,
            "problem": "",
        }
        assert fetch(server.url, *arxiv)["new"] == 0
        behaves = serve_pages(150)
        server.answer = lambda request: request.reply(b"", 500) if request.query["start"] == "100" else behaves(request)
        half = fetch(server.url, *arxiv, "--id", "half", code=1)
        assert half["papers"] == 100
        assert "it answered 500 (2 tries)" in half["problem"]


def test_killed_half_way(fetch: Fetch, db_path: Path) -> None:
    """After kill -9 the same command asks for the missing pages only, and the digest has all papers."""
    arxiv, behaves, reached, over = (
        ("arxiv", "--categories", "cs.LG", "--days", "1", "--date", "2026-03-09"),
        serve_pages(350),
        threading.Event(),
        threading.Event(),
    )

    def answer(request: Request) -> None:
        if request.query["start"] == "200" and not over.is_set():
            reached.set()
            over.wait(60)
        behaves(request)

    with web_server() as server:
        server.answer = answer
        values = settings(db=f"sqlite:///{db_path}") | environment(server.url)
        with subprocess.Popen(command("fetch", *arxiv), env=values, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            assert reached.wait(60)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        over.set()
        server.requests.clear()

        done = fetch(server.url, *arxiv)

        assert [path.partition("start=")[2].partition("&")[0] for path, _ in server.requests] == ["200", "300"]
        assert (done["papers"], done["new"], done["problem"]) == (350, 350, "")
        assert not Path(f"{db_path}-fetch").exists()
        server.requests.clear()
        assert fetch(server.url, *arxiv)["new"] == 0
        assert len(server.requests) == 4


def test_a_search_that_repeats_itself(fetch: Fetch, db_path: Path) -> None:
    """The papers received are stored, the exit code reports a problem, and no page is kept for the next run."""
    with web_server() as server:
        server.say(lambda request: request.reply(page(range(100), 10**9)))
        done = fetch(server.url, "arxiv", "--categories", "cs.LG", "--days", "1", "--date", "2026-03-09", code=1)
    assert done["papers"] == 100
    assert "only repeats earlier papers" in done["problem"]
    assert not Path(f"{db_path}-fetch").exists()


@pytest.mark.parametrize(("day", "code"), [("2026-03-08", 0), ("2026-03-09", 1)])
def test_nothing_at_all(fetch: Fetch, day: str, code: int) -> None:
    """No paper is fine on a Sunday and a failure on a Monday; no empty digest is stored."""
    assert dt.date.fromisoformat(day).isoweekday() == (7 if code == 0 else 1)
    with web_server() as server:
        server.say(lambda request: request.reply(b"[]"))
        found = fetch(server.url, "hf-daily", "--date", day, code=code)
    assert found["digest_id"] == ""
    assert bool(found["problem"]) == bool(code)


def test_errors_are_one_line(fetch: Fetch) -> None:
    """A source that is away and a wrong category are each named in one line."""
    with web_server() as server:
        server.say(lambda request: request.reply(page(range(1), 1)))
        assert fetch(server.url, "feed", server.url)["papers"] == 1
    gone = fetch("http://127.0.0.1:1", "hf-daily", "--date", "2026-03-09", code=1)
    assert "127.0.0.1:1/api/daily_papers" in gone["error"]
    assert gone["error"].count("\n") == 1
    assert "'cs LG' is not a category" in fetch("x", "arxiv", "--categories", "cs LG", code=2)["error"]
