"""Sources in their real formats, complete and broken, served by a local web server."""

import datetime as dt
import json
from collections.abc import Iterator

import pytest

from service.domain.errors import InvalidField, InvalidFile, SourceUnavailable
from service.fetch.arxiv import MAX_PAGES, PAGE_SIZE, arxiv_announced, arxiv_papers, arxiv_submitted
from service.fetch.feed import AnyFeed
from service.fetch.hf_daily import HfDaily
from service.fetch.http import Http, RetryLimits
from tests.service.fetch.arxiv_pages import DAY, ids, page, serve_pages
from tests.service.fetch.web_server import Request, WebServer, web_server

ANNOUNCED = """<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns="http://www.w3.org/2005/Atom" xml:lang="en-us">
  <id>http://rss.arxiv.org/atom/cs.LG</id>
  <title>cs.LG updates on arXiv.org</title>
  <updated>2026-03-11T04:00:00+00:00</updated>
  {entries}
</feed>"""
ANNOUNCED_ENTRY = """
  <entry>
    <id>oai:arXiv.org:2603.{number:05d}v1</id>
    <title>Paper {number}</title>
    <updated>2026-03-11T04:00:00+00:00</updated>
    <link href="https://arxiv.org/abs/2603.{number:05d}" rel="alternate" type="text/html"/>
    <summary>arXiv:2603.{number:05d}v1 Announce Type: {kind} Abstract: We study {number}.</summary>
    <category term="cs.LG"/>
    <published>2026-03-11T00:00:00-04:00</published>
    <arxiv:announce_type>{kind}</arxiv:announce_type>
    <dc:creator>Ada Lovelace, Emmy Noether</dc:creator>
  </entry>"""


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A web server."""
    with web_server() as running:
        yield running


@pytest.fixture
def http() -> Iterator[Http]:
    """A client that does not wait."""
    with Http(
        "test/1", RetryLimits(tries=3, timeout_seconds=2, pause_seconds=0, wait_seconds=0), sleep=lambda _: None
    ) as it:
        yield it


def search(http: Http, server: WebServer) -> tuple[list[str], str]:
    """Return the (ids, problem) of a search."""
    found = arxiv_submitted(http, server.url, ["cs.LG", "cs.CL"], DAY - dt.timedelta(days=2), DAY)
    return [paper.paper_id for paper in found.papers], found.problem


@pytest.mark.parametrize("total", [0, 1, PAGE_SIZE, PAGE_SIZE + 1, 250])
def test_all_pages(http: Http, server: WebServer, total: int) -> None:
    """A search returns every paper once, in order, for any number of papers."""
    server.answer = serve_pages(total)
    assert search(http, server) == (ids(total), "")
    query = server.requests[0][0]
    assert "%28cat%3Acs.LG+OR+cat%3Acs.CL%29" in query
    assert "202603090000+TO+202603112359" in query


def test_a_page_with_fewer_entries(http: Http, server: WebServer) -> None:
    """A short page leaves no gap: the next request begins after its last entry."""

    def answer(request: Request) -> None:
        start = int(request.query["start"])
        request.reply(page(range(start, min(start + 30, 100)), 100))

    server.answer = answer
    assert search(http, server) == (ids(100), "")


def test_an_empty_page_in_the_middle(http: Http, server: WebServer) -> None:
    """An empty page in the middle is requested again; if it stays empty, the papers before it are returned."""
    behaves = serve_pages(150)
    empty = iter([True])
    server.answer = lambda request: (
        request.reply(page(range(0), 150))
        if request.query["start"] == "100" and next(empty, False)
        else behaves(request)
    )
    assert search(http, server) == (ids(150), "")

    server.answer = lambda request: (
        request.reply(page(range(0), 150)) if request.query["start"] == "100" else behaves(request)
    )
    found, problem = search(http, server)
    assert found == ids(100)
    assert "it has 150 papers, but sent none from 100 on (3 tries)" in problem


def test_a_source_that_fails_half_way(http: Http, server: WebServer) -> None:
    """If a later page fails, the papers before it are returned with the problem; if the first fails, it is an error."""
    behaves = serve_pages(150)
    server.answer = lambda request: request.reply(b"", 503) if request.query["start"] == "100" else behaves(request)
    found, problem = search(http, server)
    assert found == ids(100)
    assert "it answered 503" in problem

    server.say(lambda request: request.reply(b"", 503))
    with pytest.raises(SourceUnavailable, match="it answered 503"):
        search(http, server)


def test_versions_count_once(http: Http, server: WebServer) -> None:
    """A paper that appears on two pages, or in two versions, is returned once."""
    server.answer = lambda request: request.reply(
        page(range(100), 140) if request.query["start"] == "0" else page(range(60, 140), 140, version=2)
    )
    found, problem = search(http, server)
    assert found == ids(140)
    assert problem == ""


def test_a_search_that_repeats_one_page(http: Http, server: WebServer) -> None:
    """The search ends at the first page without new papers, and reports it."""
    server.say(lambda request: request.reply(page(range(PAGE_SIZE), 10**9)))
    found, problem = search(http, server)
    assert found == ids(PAGE_SIZE)
    assert "the page that starts at result 100 only repeats earlier papers" in problem
    assert len(server.requests) == 2


def test_a_search_without_end(http: Http, server: WebServer) -> None:
    """A search that never ends is stopped after MAX_PAGES pages, and reports it."""

    def answer(request: Request) -> None:
        start = int(request.query["start"])
        request.reply(page(range(start, start + 1), 10**9))

    server.answer = answer
    found, problem = search(http, server)
    assert found == ids(MAX_PAGES)
    assert len(server.requests) == MAX_PAGES
    assert f"stopped after {MAX_PAGES} pages with {MAX_PAGES} of {10**9} papers" in problem


def test_a_web_page_in_place_of_a_feed(http: Http, server: WebServer) -> None:
    """A web page with status 200 is retried and then an error."""
    server.say(lambda request: request.reply(b"<!DOCTYPE html><html>sorry</html>"), serve_pages(3))
    assert search(http, server) == (ids(3), "")
    server.say(lambda request: request.reply(b"<html>sorry</html>"))
    with pytest.raises(SourceUnavailable, match="a web page in place of a feed"):
        search(http, server)


@pytest.mark.parametrize(
    "body",
    [
        b"<feed><entry>",
        b"\x00\x01",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><feed><title>&c;</title></feed>',
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><feed><title>&x;</title></feed>',
    ],
)
def test_broken_and_hostile_xml(http: Http, server: WebServer, body: bytes) -> None:
    """Malformed documents, entity bombs and external entities are errors that name the address."""
    server.say(lambda request: request.reply(body))
    with pytest.raises(InvalidFile, match=r"127\.0\.0\.1"):
        AnyFeed(server.url).fetch(http)


@pytest.mark.parametrize("name", ["", "cs LG", "cs.LG;rm", "../x", "cs.LG+all"])
def test_categories(http: Http, name: str) -> None:
    """A name that cannot be a category is refused without a request."""
    with pytest.raises(InvalidField, match="categories"):
        arxiv_announced(http, "http://127.0.0.1:1", [name] if name else [])


def test_what_was_announced(http: Http, server: WebServer) -> None:
    """New papers and cross-lists are returned, replacements are not; abstracts lose the announcement's prefix."""
    kinds = ["new", "cross", "replace", "replace-cross", "new"]
    entries = "".join(ANNOUNCED_ENTRY.format(number=number, kind=kind) for number, kind in enumerate(kinds))
    server.say(lambda request: request.reply(ANNOUNCED.format(entries=entries).encode()))

    found = arxiv_announced(http, server.url, ["cs.LG", "cs.CL"])

    assert [paper.paper_id for paper in found.papers] == ["arxiv:2603.00000", "arxiv:2603.00001", "arxiv:2603.00004"]
    assert found.papers[0].abstract == "We study 0."
    assert found.papers[0].authors == ("Ada Lovelace", "Emmy Noether")
    assert server.requests[0][0] == "/atom/cs.LG+cs.CL"


def test_daily_papers(http: Http, server: WebServer) -> None:
    """The papers of a day have their upvotes; an empty list is no error; an answer that is not JSON is retried."""
    entry = {"paper": {"id": "2603.00001", "title": "One", "summary": "We.", "upvotes": 7, "authors": [{"name": "A"}]}}
    server.say(
        lambda request: request.reply(b"<html>busy"), lambda request: request.reply(json.dumps([entry]).encode())
    )
    found = HfDaily(server.url).fetch(http, DAY)
    assert [(paper.paper_id, paper.upvotes) for paper in found.papers] == [("arxiv:2603.00001", 7)]
    assert "date=2026-03-11" in server.requests[0][0]

    server.say(lambda request: request.reply(b"[]"))
    assert HfDaily(server.url).fetch(http, DAY).papers == ()
    server.say(lambda request: request.reply(b'{"error": "no"}'))
    with pytest.raises(InvalidFile, match="must be a list"):
        HfDaily(server.url).fetch(http, DAY)


def test_papers_by_id(http: Http, server: WebServer) -> None:
    """Papers are found by their arXiv ids, 100 in one request; unknown ids are missing."""
    server.say(lambda request: request.reply(page(range(2), 2)), lambda request: request.reply(page(range(0), 0)))
    wanted = [f"2603.{number:05d}" for number in range(101)]
    assert list(arxiv_papers(http, server.url, wanted)) == ["2603.00000", "2603.00001"]
    assert ["2603.00100" in path for path, _ in server.requests] == [False, True]
