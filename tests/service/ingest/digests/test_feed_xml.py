import contextlib
import time

import pytest

from service.domain.errors import InvalidFile
from service.ingest.digests.feed_xml import feed_tree
from tests.service.ingest.samples import ATOM

FEED = '<rss version="2.0"><channel><title>Café</title></channel></rss>'


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-16", "iso-8859-1", "windows-1252"])
def test_declared_encodings_are_read(encoding: str) -> None:
    """A feed in another encoding is read as that encoding says."""
    document = f'<?xml version="1.0" encoding="{encoding}"?>{FEED}'.encode(encoding)
    assert feed_tree(document, "f").findtext("channel/title") == "Café"


@pytest.mark.parametrize(
    ("data", "line", "problem"),
    [
        (ATOM[:-40], 14, "is not well-formed XML"),
        (b"<?xml version='1.0'?>\n\n<rss><a></b></rss>", 3, "not well-formed XML: mismatched tag"),
        (b"<rss><x:a/></rss>", 1, "unbound prefix"),
        (b"\n<urlset><url/></urlset>", 2, "neither RSS nor Atom: its root is <urlset>"),
        (b"<!DOCTYPE rss [\n<!ENTITY a 'b'>]><rss>&a;</rss>", 2, "declares entities"),
        (b"<rss>" + b"<a>" * 200 + b"</a>" * 200 + b"</rss>", 1, "nested more than 100 levels deep"),
        (b"<rss>\n\xff</rss>", 2, "is not UTF-8"),
    ],
)
def test_broken_and_hostile_documents_name_the_line(data: bytes, line: int, problem: str) -> None:
    """Documents that a lenient parser would misread are refused with the line of the problem."""
    with pytest.raises(InvalidFile, match=problem) as caught:
        feed_tree(data, "f")
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\n<html><body/></html>", "is a web page, not a feed$"),
        (b"<!-- x --><!DOCTYPE html>\n<p>503 Service Unavailable", "is a web page, not a feed$"),
        (b"<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x'><html/>", "is a web page, not a feed$"),
        (
            b"<html><head><link rel=alternate href=/rss.xml type='application/rss+xml'></head>",
            "not a feed; it names the feed /rss.xml$",
        ),
        (b'{"error": "not found"}', "is JSON, neither RSS nor Atom nor JSON Feed$"),
        (b"[1, 2]", "is JSON, neither RSS nor Atom nor JSON Feed$"),
        (b"Too many requests", "is neither RSS nor Atom nor JSON Feed: it does not begin with <$"),
    ],
)
def test_what_is_no_feed_is_named(data: bytes, problem: str) -> None:
    """Web pages, JSON and texts are named as such."""
    with pytest.raises(InvalidFile, match=problem):
        feed_tree(data, "f")


def test_entities_of_html_and_loose_ampersands_are_read() -> None:
    """Entities that XML does not know, and ampersands that begin none, do not cost the feed; CDATA stays as it is."""
    text = "<rss><title>M&uuml;ller&nbsp;&amp; AT&T &bogus; a&b=c &#233; &lt;<![CDATA[&nbsp; <b> & c]]></title></rss>"
    read = feed_tree(text.encode(), "f").findtext("title")
    assert read == "Müller\xa0& AT&T &bogus; a&b=c é <&nbsp; <b> & c"


def test_control_characters_do_not_cost_the_feed() -> None:
    """Characters that XML forbids count as spaces."""
    assert feed_tree(b"<rss><title>a\x0bb</title></rss>", "f").findtext("title") == "a b"


@pytest.mark.parametrize("encoding", ["rot13", "utf-7", "punycode", "iso-8859-99"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """Encodings that feeds do not use are refused."""
    with pytest.raises(InvalidFile, match=f"the encoding {encoding}"):
        feed_tree(f'<?xml version="1.0" encoding="{encoding}"?>{FEED}'.encode(), "f")


def test_text_that_is_not_in_its_encoding_is_refused() -> None:
    """A wrong encoding declaration is an error."""
    with pytest.raises(InvalidFile, match="is not written in it"):
        feed_tree(f'<?xml version="1.0" encoding="us-ascii"?>{FEED}'.encode(), "f")
    with pytest.raises(InvalidFile, match="broken UTF-16"):
        feed_tree(b"\xff\xfe<", "f")


HOSTILE = {
    "attributes": lambda n: "<rss " + " ".join(f"a{i}='x'" for i in range(n)) + "/>",
    "namespaces": lambda n: (
        "<rss " + " ".join(f"xmlns:a{i}='n:{i}'" for i in range(n)) + ">" + "<a0:b/>" * n + "</rss>"
    ),
    "elements": lambda n: "<rss>" + "".join(f"<a{i}/>" for i in range(n)) + "</rss>",
    "ampersands": lambda n: "<rss>" + "&" * n + "&a" * n + "</rss>",
    "sections": lambda n: "<rss>" + "<![CDATA[&]]>" * n + "</rss>",
    "open sections": lambda n: "<rss>" + "<![CDATA[" * n + "</rss>",
    "comments": lambda n: "<!--" * n + "<rss/>",
    "links of a page": lambda n: "<html>" + "<link " * n,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_documents_take_linear_time(kind: str) -> None:
    """Forty thousand parts of any kind are read, or refused, within seconds."""
    document = HOSTILE[kind](40_000).encode()
    began = time.perf_counter()
    with contextlib.suppress(InvalidFile):
        feed_tree(document, "f")
    assert time.perf_counter() - began < 5
