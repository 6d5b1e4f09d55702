"""Pages of arXiv's search in its real format, for the web server of the tests."""

import datetime as dt
from collections.abc import Callable

from tests.service.fetch.web_server import Request

DAY = dt.date(2026, 3, 11)
ENTRY = """
  <entry>
    <id>http://arxiv.org/abs/2603.{number:05d}v{version}</id>
    <updated>2026-03-10T12:00:00Z</updated>
    <published>2026-03-10T12:00:00Z</published>
    <title>Paper {number}</title>
    <summary>We study {number}.</summary>
    <author><name>Ada Lovelace</name></author>
    <link href="http://arxiv.org/abs/2603.{number:05d}v{version}" rel="alternate" type="text/html"/>
    <category term="cs.LG" scheme="http://arxiv.org/schemas/atom"/>
  </entry>"""
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
    entries = "".join(ENTRY.format(number=number, version=version) for number in numbers)
    return API.format(total=total, entries=entries).encode()


def ids(count: int) -> list[str]:
    """Return the ids of the first papers."""
    return [f"arxiv:2603.{number:05d}" for number in range(count)]


def serve_pages(total: int) -> Callable[[Request], None]:
    """Return the handler of a search with this number of papers."""

    def answer(request: Request) -> None:
        start = int(request.query["start"])
        request.reply(page(range(start, min(start + int(request.query["max_results"]), total)), total))

    return answer
