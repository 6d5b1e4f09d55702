"""``paperfeed fetch all``, ``fetch biorxiv`` and ``fetch medrxiv``, from servers on loopback."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Done, Run
from tests.service.fetch.arxiv_pages import page
from tests.service.fetch.web_server import Request, WebServer, web_server

pytestmark = pytest.mark.usefixtures("empty_db")

MONDAY = "2026-03-09"
PREPRINT = {
    "title": "Cells and genes",
    "authors": "Lovelace, A.",
    "doi": "10.1101/2026.03.09.1",
    "date": MONDAY,
    "version": "1",
    "category": "cell biology",
    "abstract": "We study cells.",
    "server": "bioRxiv",
}
DAILY = {"paper": {"id": "2603.00001", "title": "Paper 1", "summary": "We.", "upvotes": 7, "authors": [{"name": "A"}]}}
SOURCES = '[sources]\narxiv = ["cs.LG"]\nhf_daily = true\nbiorxiv = ["all"]\nfeeds = ["{url}/rss"]\n'


def settings(url: str) -> dict[str, str]:
    """Return the variables of sources on loopback, without pauses."""
    names = ("ARXIV_FEED_URL", "ARXIV_API_URL", "HF_DAILY_URL", "BIORXIV_API_URL")
    quick = {"PAPERFEED_FETCH_PAUSE_SECONDS": "0", "PAPERFEED_FETCH_WAIT_SECONDS": "0", "PAPERFEED_FETCH_TRIES": "1"}
    return quick | {f"PAPERFEED_{name}": url for name in names}


def answer(request: Request) -> None:
    """Answer as arXiv's search, the daily papers, bioRxiv or a journal."""
    if request.path.startswith("/api/daily_papers"):
        request.reply(json.dumps([DAILY]).encode())
    elif request.path.startswith("/details/"):
        body = {"messages": [{"status": "ok", "total": 1}], "collection": [PREPRINT]}
        request.reply(json.dumps(body).encode())
    elif request.path == "/rss":
        request.reply(b"", 500)
    else:
        request.reply(page(range(3), 3))


def fetch(paperfeed: Run, server: WebServer, *words: str) -> Done:
    """Run ``paperfeed fetch``."""
    return paperfeed("fetch", *words, "--date", MONDAY, **settings(server.url))


def test_all_sources_make_one_digest(paperfeed: Run, tmp_path: Path, db_path: Path) -> None:
    """A failing source is named and stops no other; a paper of two sources is one, with categories and upvotes."""
    with web_server() as server:
        server.answer = answer
        (tmp_path / "paperfeed.toml").write_text(SOURCES.format(url=server.url))
        done = fetch(paperfeed, server, "all", "--days", "3", "--json")
        again = fetch(paperfeed, server, "all", "--days", "3")
    assert done.code == 1
    result: dict[str, Any] = json.loads(done.out)
    assert (result["digest_id"], result["papers"], result["new"]) == (f"daily-{MONDAY}", 4, 4)
    assert [each["papers"] for each in result["sources"]] == [3, 1, 1, 0]
    assert len(result["problems"]) == 1
    assert "it answered 500" in result["problems"][0]
    assert "4 papers, 0 new" in again.out
    with closing(sqlite3.connect(db_path)) as connection:
        query = "select categories, upvotes from papers where paper_id = 'arxiv:2603.00001'"
        assert connection.execute(query).fetchone() == ('["cs.LG"]', 7)


def test_without_sources(paperfeed: Run, tmp_path: Path) -> None:
    """Without a source the command says where to name one; no paper at all on a weekday is a failure."""
    with web_server() as server:
        none = fetch(paperfeed, server, "all")
        assert none.code == 2
        assert "[sources]" in none.err
        server.say(lambda request: request.reply(b"[]"))
        (tmp_path / "paperfeed.toml").write_text("[sources]\nhf_daily = true\n")
        empty = fetch(paperfeed, server, "all")
    assert empty.code == 1
    assert "no source has a paper, on a weekday" in empty.out


def test_preprints(paperfeed: Run) -> None:
    """Both archives, bioRxiv and medRxiv, have a command each, and a digest each."""
    with web_server() as server:
        server.answer = answer
        first = fetch(paperfeed, server, "biorxiv", "--categories", "cell_biology,genomics")
        second = fetch(paperfeed, server, "medrxiv", "--days", "1")
        assert [path.partition("?")[0] for path, _ in server.requests] == [
            "/details/biorxiv/2026-03-08/2026-03-09/0/json",
            "/details/biorxiv/2026-03-08/2026-03-09/0/json",
            "/details/medrxiv/2026-03-09/2026-03-09/0/json",
        ]
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.out.startswith(f"biorxiv-{MONDAY}: 1 papers, 1 new")
    assert second.out.startswith(f"medrxiv-{MONDAY}: 1 papers, 0 new")
