"""``paperfeed fetch``, from a server on loopback."""

import datetime as dt
import json
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Run
from tests.process.running import ROOT, command, settings
from tests.service.fetch.arxiv_pages import page, serve_pages
from tests.service.fetch.web_server import Request, web_server

pytestmark = pytest.mark.usefixtures("empty_db")

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
            "dropped": 0,
            "skipped": [],
            "repaired": [],
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


def journal(*numbers: int, extra: str = "") -> bytes:
    """Return a feed with these papers."""
    items = [
        f"<item><title>Paper number {i}</title><link>https://j.example/{i}</link><pubDate>2026-03-0{i}</pubDate></item>"
        for i in numbers
    ]
    return f"<rss><channel><title>J</title>{''.join(items)}{extra}</channel></rss>".encode()


MONDAY = "2026-03-09"


def test_two_feeds_of_a_day_are_two_digests(fetch: Fetch, db_path: Path) -> None:
    """Two addresses, and two lists of categories, have a digest each; fetching one again finds its own."""
    with web_server() as server:
        bodies = {"/a.xml": journal(1, 2), "/b.xml?key=secret": journal(3)}
        server.answer = lambda request: request.reply(bodies[request.path])
        first = fetch(server.url, "feed", f"{server.url}/a.xml", "--date", MONDAY)
        second = fetch(server.url, "feed", f"{server.url}/b.xml?key=secret", "--date", MONDAY)
        again = fetch(server.url, "feed", f"{server.url}/b.xml?key=secret", "--date", MONDAY)
        joined = [
            fetch(server.url, "feed", server.url + path, "--date", MONDAY, "--id", "both", "--add") for path in bodies
        ]
    assert first["digest_id"] == f"feed-{MONDAY}"
    assert second["digest_id"].startswith(f"feed-{MONDAY}-127.0.0.1-")
    assert again["digest_id"] == second["digest_id"]
    assert "secret" not in second["digest_id"]
    assert [each["digest_id"] for each in joined] == ["both", "both"]
    with closing(sqlite3.connect(db_path)) as connection:
        counts = dict(connection.execute("select digest_id, count(*) from digest_papers group by 1").fetchall())
    assert counts == {first["digest_id"]: 2, second["digest_id"]: 1, "both": 3}

    with web_server() as server:
        server.answer = serve_pages(3)
        ids = [
            fetch(server.url, "arxiv", "--categories", names, "--days", "1", "--date", MONDAY)["digest_id"]
            for names in ("cs.LG", "cs.CL,cs.LG", "cs.LG,cs.CL")
        ]
    assert ids == [f"arxiv-{MONDAY}", f"arxiv-{MONDAY}-cs.CL+cs.LG", f"arxiv-{MONDAY}-cs.CL+cs.LG"]


def test_replacements_and_stale_feeds_are_said(paperfeed: Run) -> None:
    """Fetch says what a newer version of a digest leaves out, what was left out of it, and that nothing is new."""
    untitled = "<item><title/></item>"
    with web_server() as server:
        server.say(
            lambda request: request.reply(journal(1, 2)),
            lambda request: request.reply(journal(2, 3, extra=untitled)),
            lambda request: request.reply(journal(2, 3)),
        )
        said = [
            paperfeed("fetch", "feed", server.url, "--date", MONDAY, "--no-embed", **environment(server.url)).out
            for _ in range(3)
        ]
    assert "replaces" not in said[0] + said[2]
    assert "it replaces the earlier digest with this id and leaves out 1 of its papers" in said[1]
    assert "left out:\n  line 1, entry 3: has no title" in said[1]
    assert "nothing new: all 2 papers were known before; the newest is of 2026-03-03" in said[2]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            b"<html><link rel=alternate type=application/rss+xml href=/rss>sorry",
            "is a web page, not a feed; it names the",
        ),
        (b'{"error": "not found"}', "is JSON, neither RSS nor Atom nor JSON Feed"),
        (b"<?xml version='1.0'?><error/>", "is XML, but neither RSS nor Atom: its root is <error>"),
    ],
)
def test_what_is_no_feed_is_said_at_once(body: bytes, problem: str, fetch: Fetch) -> None:
    """A web page, JSON or other XML at the address of a feed is named, without a second request."""
    with web_server() as server:
        server.say(lambda request: request.reply(body))
        assert problem in fetch(server.url, "feed", server.url, code=1)["error"]
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://" + "a" * 70 + ".example/",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://a..b/",
        "http://\u0130.\u2603" + "x" * 64,
    ],
)
def test_odd_host_names_are_one_line(url: str, fetch: Fetch) -> None:
    """A host or port that cannot exist is an error in one line."""
    error = fetch("http://127.0.0.1:1", "feed", url, code=1)["error"]
    assert error.count("\n") == 1
    assert "Traceback" not in error
