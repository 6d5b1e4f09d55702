"""Pages of arXiv's search in its real format, for the web server of the tests."""

import datetime as dt
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from paperfeed.v1.catalog_pb2 import Paper
from tests.service.fetch.web_server import Request

DAY = dt.date(2026, 3, 11)
ENTRY = """
  <entry>
    <id>http://arxiv.org/abs/{number}v{version}</id>
    <updated>{published}</updated>
    <published>{published}</published>
    <title>{title}</title>
    <summary>{summary}</summary>
    {authors}
    <link href="http://arxiv.org/abs/{number}v{version}" rel="alternate" type="text/html"/>
    {categories}
  </entry>"""
AUTHOR = "<author><name>{}</name></author>"
CATEGORY = '<category term="{}" scheme="http://arxiv.org/schemas/atom"/>'
API = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title type="html">ArXiv Query</title>
  <id>http://arxiv.org/api/x</id>
  <updated>2026-03-11T00:00:00-05:00</updated>
  <opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{total}</opensearch:totalResults>
  {entries}
</feed>"""


def page(numbers: range, total: int, version: int = 1) -> bytes:
    """Return one page of results."""
    papers = [
        Paper(title=f"Paper {number}", abstract=f"We study {number}.", authors=["Ada Lovelace"], categories=["cs.LG"])
        for number in numbers
    ]
    return page_of(papers, dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC), total, numbers.start, version)


def page_of(
    papers: Sequence[Paper], published: dt.datetime, total: int | None = None, first_number: int = 0, version: int = 1
) -> bytes:
    """Return one page of results with these papers, which get the ids 2603.00000, 2603.00001, ... of arXiv."""
    entries = "".join(
        ENTRY.format(
            number=f"2603.{number:05d}",
            version=version,
            published=f"{published:%Y-%m-%dT%H:%M:%SZ}",
            title=escape(paper.title),
            summary=escape(paper.abstract),
            authors="\n    ".join(AUTHOR.format(escape(name)) for name in paper.authors),
            categories="\n    ".join(map(CATEGORY.format, paper.categories)),
        )
        for number, paper in enumerate(papers, first_number)
    )
    return API.format(total=len(papers) if total is None else total, entries=entries).encode()


def ids(count: int) -> list[str]:
    """Return the ids of the first papers."""
    return [f"arxiv:2603.{number:05d}" for number in range(count)]


def serve_pages(total: int) -> Callable[[Request], None]:
    """Return the handler of a search with this number of papers."""

    def answer(request: Request) -> None:
        start = int(request.query["start"])
        request.reply(page(range(start, min(start + int(request.query["max_results"]), total)), total))

    return answer
