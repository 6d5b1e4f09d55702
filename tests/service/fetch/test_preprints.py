"""bioRxiv and medRxiv in the format of their API, complete and misbehaving."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.domain.errors import InvalidField, InvalidFile, SourceUnavailable
from service.fetch.http import Http, RetryLimits
from service.fetch.kept_pages import KeptPages
from service.fetch.preprints import BIORXIV, MEDRXIV, Preprints
from service.fetch.source import Fetched
from tests.service.fetch.web_server import Request, WebServer, web_server

DAY = dt.date(2026, 3, 11)


def entry(number: int, version: int | str = "1", **values: Any) -> dict[str, Any]:
    """Return an entry as the API writes it."""
    return {
        "title": f"Cells &amp; genes, part {number}",
        "authors": "Lovelace, A.; Noether, E.",
        "author_corresponding": "Ada  Lovelace",
        "author_corresponding_institution": "University",
        "doi": f"10.64898/2026.03.10.{number:06d}",
        "date": "2026-03-10",
        "version": version,
        "type": "new results",
        "license": "cc_by",
        "category": "Cell Biology",
        "jatsxml": "https://www.biorxiv.org/content/x.source.xml",
        "abstract": f"<p>We study cell {number}.</p>",
        "funder": "NA",
        "published": "NA",
        "server": "bioRxiv",
    } | values


def page(entries: list[Any], total: object, start: object = 0, status: str = "ok") -> bytes:
    """Return an answer of the API."""
    message = {"status": status, "interval": "2026-03-10:2026-03-11", "cursor": start, "count": len(entries)}
    return json.dumps({"messages": [message | {"total": total}], "collection": entries}).encode()


def pages(count: int, size: int = 30) -> Callable[[Request], None]:
    """Return the handler of a list with this number of entries."""

    def answer(request: Request) -> None:
        start = int(request.path.partition("?")[0].split("/")[-2])
        request.reply(page([entry(number) for number in range(start, min(start + size, count))], str(count), start))

    return answer


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A web server."""
    with web_server() as running:
        yield running


@pytest.fixture
def http() -> Iterator[Http]:
    """A client that does not wait."""
    limits = RetryLimits(tries=3, timeout_seconds=2, pause_seconds=0, wait_seconds=0)
    with Http("test/1", limits, sleep=lambda _: None) as it:
        yield it


def fetch(http: Http, server: WebServer, *categories: str, kept: KeptPages | None = None) -> Fetched:
    """Return what bioRxiv gives for two days."""
    return Preprints(server.url, BIORXIV, categories).fetch(http, DAY, kept or KeptPages(None))


@pytest.mark.parametrize(("count", "size"), [(0, 30), (1, 30), (60, 30), (250, 100)])
def test_all_pages(http: Http, server: WebServer, count: int, size: int) -> None:
    """Every preprint comes once, in order, whatever the size of the pages."""
    server.answer = pages(count, size)
    found = fetch(http, server)
    assert [paper.paper_id for paper in found.papers] == [f"doi:10.64898/2026.03.10.{n:06d}" for n in range(count)]
    assert (found.problem, found.source) == ("", "biorxiv")
    assert server.requests[0][0] == "/details/biorxiv/2026-03-10/2026-03-11/0/json"


def test_a_preprint(http: Http, server: WebServer) -> None:
    """Texts are plain, names are in order, and the DOI is the id and the link."""
    server.say(lambda request: request.reply(page([entry(7)], 1)))
    (paper,) = Preprints(server.url, MEDRXIV).fetch(http, DAY, KeptPages(None)).papers
    assert paper.title == "Cells & genes, part 7"
    assert paper.abstract == "We study cell 7."
    assert paper.authors == ("A. Lovelace", "E. Noether")
    assert paper.categories == ("Cell Biology",)
    assert paper.url == "https://doi.org/10.64898/2026.03.10.000007"
    assert paper.published_at == dt.datetime(2026, 3, 10, tzinfo=dt.UTC)
    assert server.requests[0][0].startswith("/details/medrxiv/")


def test_new_versions_are_no_new_papers(http: Http, server: WebServer) -> None:
    """Later versions are left out, also if the API writes the version as a number."""
    server.say(lambda request: request.reply(page([entry(1, "2"), entry(2, 3), entry(3, 1)], 3)))
    assert [paper.paper_id[-1] for paper in fetch(http, server).papers] == ["3"]


def test_categories(http: Http, server: WebServer) -> None:
    """Each category is asked for by itself; entries of others are left out if the API ignores the category."""
    entries = [entry(1), entry(2, category="neuroscience")]
    server.say(lambda request: request.reply(page(entries, 2)))
    found = fetch(http, server, "cell_biology", "Neuroscience")
    assert [paper.paper_id[-1] for paper in found.papers] == ["1", "2"]
    assert [path.partition("?")[2] for path, _ in server.requests] == ["category=cell+biology", "category=neuroscience"]
    with pytest.raises(InvalidField, match="is not a category"):
        fetch(http, server, "../x")


def test_no_posts(http: Http, server: WebServer) -> None:
    """A day without posts is no error."""
    server.say(lambda request: request.reply(b'{"messages":[{"status":"no posts found"}],"collection":[]}'))
    assert fetch(http, server).papers == ()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"[]", "must be an object"),
        (b'{"error": "x"}', "is no list of preprints"),
        (b'{"messages":[{"status":"Error: interval"}]}', "the API says 'Error: interval'"),
        (b'{"messages":[1]}', "messages"),
        (b'{"messages":[{"status":"ok","total":"many"}],"collection":[]}', "'many' is not a number"),
        (b'{"messages":[{"status":"ok"}],"collection":{}}', "must be an array"),
    ],
)
def test_other_answers(http: Http, server: WebServer, body: bytes, problem: str) -> None:
    """An answer of another kind is an error that names the address and the problem."""
    server.say(lambda request: request.reply(body))
    with pytest.raises(InvalidFile, match=r"127\.0\.0\.1") as caught:
        fetch(http, server)
    assert problem in str(caught.value)


def test_bad_entries_are_left_out(http: Http, server: WebServer) -> None:
    """An entry without a DOI, with a wrong date or of a wrong type is left out and named; the others stay."""
    bad = [entry(1, doi="none"), entry(2, date="soon"), entry(3, version="one"), entry(4, title=None), 5, entry(6)]
    server.say(lambda request: request.reply(page(bad, 6)))
    found = fetch(http, server)
    assert [paper.paper_id[-1] for paper in found.papers] == ["6"]
    assert [problem.key for problem in found.skipped] == ["[0]", "[1]", "[2]", "[3]", "[4]"]


def test_a_list_that_never_ends(http: Http, server: WebServer) -> None:
    """A page that repeats papers, or an empty one in the middle, ends the list; the answer says what is missing."""
    server.say(lambda request: request.reply(page([entry(1)], 10**6)))
    found = fetch(http, server)
    assert (len(found.papers), len(server.requests)) == (1, 2)
    assert "only repeats earlier preprints" in found.problem

    server.say(lambda request: request.reply(page([entry(1)], 3)), lambda request: request.reply(page([], 3, 1)))
    assert "2 preprints are missing" in fetch(http, server).problem


def test_failures(http: Http, server: WebServer) -> None:
    """What passes is tried again; a failed later page leaves a partial answer; a failed first page is an error."""
    server.say(
        lambda request: request.reply(b"<html>busy"),
        lambda request: request.reply(b"", 503),
        lambda request: request.reply(page([entry(1)], 1)),
    )
    assert fetch(http, server).problem == ""

    behaves = pages(60)
    server.answer = lambda request: request.reply(b"", 500) if "/30/json" in request.path else behaves(request)
    half = fetch(http, server)
    assert len(half.papers) == 30
    assert "it answered 500 (3 tries)" in half.problem

    server.say(lambda request: request.break_off())
    with pytest.raises(SourceUnavailable, match="interrupted"):
        fetch(http, server)


def test_an_interrupted_fetch_resumes(http: Http, server: WebServer, tmp_path: Path) -> None:
    """Pages of a fetch that failed are not requested again."""
    behaves = pages(60)
    server.answer = lambda request: request.reply(b"", 500) if "/30/json" in request.path else behaves(request)
    fetch(http, server, kept=KeptPages(tmp_path / "kept"))
    server.answer = behaves
    server.requests.clear()

    assert len(fetch(http, server, kept=KeptPages(tmp_path / "kept")).papers) == 60
    assert [path for path, _ in server.requests] == ["/details/biorxiv/2026-03-10/2026-03-11/30/json"]
