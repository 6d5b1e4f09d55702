"""Kept pages are used again unless they are damaged or old, and are deleted at the end."""

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from service.fetch.arxiv import arxiv_submitted
from service.fetch.http import Http, RetryLimits
from service.fetch.kept_pages import KEPT_SECONDS, KeptPages
from service.fetch.source import Fetched
from tests.service.fetch.arxiv_pages import DAY, ids, serve_pages
from tests.service.fetch.web_server import WebServer, web_server


def search(server: WebServer, kept: KeptPages, category: str = "cs.LG", days: int = 0) -> Fetched:
    """A search of 250 papers in three pages."""
    with Http("test/1", RetryLimits(tries=1, pause_seconds=0, wait_seconds=0)) as http:
        return arxiv_submitted(http, server.url, [category], DAY - dt.timedelta(days=days), DAY, kept)


def starts(server: WebServer) -> list[str]:
    """Return the first results of the requested pages, and forget the requests."""
    found = [path.partition("start=")[2].partition("&")[0] for path, _ in server.requests]
    server.requests.clear()
    return found


def interrupted(server: WebServer, folder: Path) -> None:
    """A search whose third page fails."""
    behaves = serve_pages(250)
    server.answer = lambda request: request.reply(b"", 503) if request.query["start"] == "200" else behaves(request)
    assert "503" in search(server, KeptPages(folder)).problem
    assert starts(server) == ["0", "100", "200"]
    server.answer = behaves


def test_going_on(tmp_path: Path) -> None:
    """The same search requests only missing pages, another search all of its own; at the end no file is left."""
    folder = tmp_path / "kept"
    with web_server() as server:
        interrupted(server, folder)
        search(server, KeptPages(folder), "cs.CL")
        search(server, KeptPages(folder), days=1)
        assert starts(server) == ["0", "100", "200"] * 2
        kept = KeptPages(folder)
        found = search(server, kept)

        assert starts(server) == ["200"]
        assert ([paper.paper_id for paper in found.papers], found.problem) == (ids(250), "")
        assert kept.found_count == 2
        kept.forget()
        assert len(list(folder.iterdir())) == 2
        for category, days in (("cs.CL", 0), ("cs.LG", 1)):
            again = KeptPages(folder)
            search(server, again, category, days)
            again.forget()
        assert not folder.exists()


@pytest.mark.parametrize("damage", ["empty", "foreign", "cut", "overwritten"])
def test_what_cannot_be_read(tmp_path: Path, damage: str) -> None:
    """The page of a damaged file is requested again."""
    with web_server() as server:
        interrupted(server, tmp_path)
        (file,) = tmp_path.glob("*/000100.gz")
        whole = file.read_bytes()
        damaged = {
            "empty": b"",
            "foreign": b"no gzip",
            "cut": whole[:-20],
            "overwritten": whole[:40] + b"\xff" * 40 + whole[80:],
        }
        file.write_bytes(damaged[damage])

        assert len(search(server, KeptPages(tmp_path)).papers) == 250
        assert starts(server) == ["100", "200"]


def test_old_pages(tmp_path: Path) -> None:
    """Old pages are requested again, and old pages of other searches are deleted."""
    left = tmp_path / "search-left"
    left.mkdir()
    with web_server() as server:
        interrupted(server, tmp_path)
        then = time.time() - KEPT_SECONDS - 60
        for path in (*tmp_path.glob("*/*.gz"), left):
            os.utime(path, (then, then))
        kept = KeptPages(tmp_path)

        search(server, kept)

        assert starts(server) == ["0", "100", "200"]
        kept.forget()
        assert not tmp_path.exists()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """If no file can be written, the search works without kept pages."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with web_server() as server:
        server.answer = serve_pages(250)
        for folder in (tmp_path / "file", tmp_path / "file" / "under", None):
            kept = KeptPages(folder)
            assert len(search(server, kept).papers) == 250
            kept.forget()
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"
