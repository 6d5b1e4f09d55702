"""``paperfeed fetch`` in processes, from a server on loopback."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.service.fetch.arxiv_pages import page, serve_pages
from tests.service.fetch.web_server import Request, web_server


def environment(url: str) -> dict[str, str]:
    """Sources on loopback, and no waiting."""
    return {
        **os.environ,
        "PAPERFEED_ENCODER": "hashing",
        "PAPERFEED_ARXIV_API_URL": url,
        "PAPERFEED_HF_DAILY_URL": url,
        "PAPERFEED_FETCH_PAUSE_SECONDS": "0",
        "PAPERFEED_FETCH_WAIT_SECONDS": "0",
        "PAPERFEED_FETCH_TRIES": "2",
    }


def command(folder: Path, *arguments: str) -> list[str]:
    """``paperfeed fetch``."""
    return [sys.executable, "-m", "cli.main", "fetch", *arguments, "--json", "--db", f"sqlite:///{folder / 'p.db'}"]


def fetch(folder: Path, url: str, *arguments: str, code: int = 0) -> dict[str, Any]:
    """What the command prints as JSON; its exit code is checked."""
    done = subprocess.run(
        command(folder, *arguments), capture_output=True, text=True, env=environment(url), check=False, timeout=120
    )
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    return found


def test_fetched_papers_become_a_digest(tmp_path: Path) -> None:
    """Stored and embedded; fetched again nothing is new; half a source is kept and the exit code says so."""
    monday = "2026-03-09"
    with web_server() as server:
        server.answer = serve_pages(120)
        arxiv = ("arxiv", "--categories", "cs.LG", "--days", "3", "--date", monday)
        first = fetch(tmp_path, server.url, *arxiv)
        assert first == {
            "digest_id": f"arxiv-{monday}",
            "date": monday,
            "papers": 120,
            "new": 120,
            "embedded": 120,
            "problem": "",
        }
        assert fetch(tmp_path, server.url, *arxiv)["new"] == 0
        behaves = serve_pages(150)
        server.answer = lambda request: request.reply(b"", 500) if request.query["start"] == "100" else behaves(request)
        half = fetch(tmp_path, server.url, *arxiv, "--id", "half", code=1)
        assert half["papers"] == 100
        assert "it answered 500 (2 tries)" in half["problem"]


def test_killed_half_way(tmp_path: Path) -> None:
    """After kill -9 the same command asks for the pages that are missing alone, and the digest has all papers."""
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
        with subprocess.Popen(
            command(tmp_path, *arxiv), env=environment(server.url), stdout=subprocess.DEVNULL
        ) as process:
            assert reached.wait(60)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        over.set()
        server.requests.clear()

        done = fetch(tmp_path, server.url, *arxiv)

        assert [path.partition("start=")[2].partition("&")[0] for path, _ in server.requests] == ["200", "300"]
        assert (done["papers"], done["new"], done["problem"]) == (350, 350, "")
        assert not (tmp_path / "p.db-fetch").exists()
        server.requests.clear()
        assert fetch(tmp_path, server.url, *arxiv)["new"] == 0
        assert len(server.requests) == 4


def test_a_search_that_repeats_itself(tmp_path: Path) -> None:
    """What came is stored, the exit code says that something is wrong, and nothing of it is kept for the next run."""
    with web_server() as server:
        server.say(lambda request: request.reply(page(range(100), 10**9)))
        done = fetch(
            tmp_path, server.url, "arxiv", "--categories", "cs.LG", "--days", "1", "--date", "2026-03-09", code=1
        )
    assert done["papers"] == 100
    assert "only repeats papers" in done["problem"]
    assert not (tmp_path / "p.db-fetch").exists()


@pytest.mark.parametrize(("day", "code"), [("2026-03-08", 0), ("2026-03-09", 1)])
def test_nothing_at_all(tmp_path: Path, day: str, code: int) -> None:
    """No paper is fine on a Sunday and worth a failure on a Monday; no empty digest comes into being."""
    assert dt.date.fromisoformat(day).isoweekday() == (7 if code == 0 else 1)
    with web_server() as server:
        server.say(lambda request: request.reply(b"[]"))
        found = fetch(tmp_path, server.url, "hf-daily", "--date", day, code=code)
    assert found["digest_id"] == ""
    assert bool(found["problem"]) == bool(code)


def test_errors_are_one_line(tmp_path: Path) -> None:
    """An address that is none, a source that is away, a wrong category: named, without a traceback."""
    with web_server() as server:
        server.say(lambda request: request.reply(page(range(1), 1)))
        assert fetch(tmp_path, server.url, "feed", server.url)["papers"] == 1
    gone = fetch(tmp_path, "http://127.0.0.1:1", "hf-daily", "--date", "2026-03-09", code=1)
    assert "127.0.0.1:1/api/daily_papers" in gone["error"]
    assert gone["error"].count("\n") == 1
    assert "'cs LG' is not a category" in fetch(tmp_path, "x", "arxiv", "--categories", "cs LG", code=2)["error"]
