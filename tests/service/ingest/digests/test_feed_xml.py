import pytest

from service.domain.errors import InvalidFile
from service.ingest.digests.feed_xml import utf8_feed
from tests.service.ingest.samples import ATOM

FEED = '<rss version="2.0"><channel><title>Café</title></channel></rss>'


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-16", "iso-8859-1", "windows-1252"])
def test_declared_encodings_become_utf8(encoding: str) -> None:
    """A feed in another encoding is returned in UTF-8."""
    document = f'<?xml version="1.0" encoding="{encoding}"?>{FEED}'.encode(encoding)
    assert utf8_feed(document, "f").decode() == FEED


@pytest.mark.parametrize(
    ("data", "line", "problem"),
    [
        (ATOM[:-40], 14, "is not well-formed XML"),
        (b"<?xml version='1.0'?>\n\n<rss><a></b></rss>", 3, "not well-formed XML: mismatched tag"),
        (b"<rss><x:a/></rss>", 1, "unbound prefix"),
        (b"<rss>&nbsp;</rss>", 1, "undefined entity"),
        (b"\n<html><body/></html>", 2, "neither RSS nor Atom: its root is <html>"),
        (b"<!DOCTYPE rss [\n<!ENTITY a 'b'>]><rss>&a;</rss>", 2, "declares entities"),
        (b"<rss>" + b"<a>" * 200 + b"</a>" * 200 + b"</rss>", 1, "nested more than 100 levels deep"),
        (b"<rss>\n<author><name>" + b"a" * 501 + b"</name></author></rss>", 2, "a name has a word of more than 500"),
        (b"<rss>\n\xff</rss>", 2, "is not UTF-8"),
    ],
)
def test_broken_and_hostile_documents_name_the_line(data: bytes, line: int, problem: str) -> None:
    """Documents that a lenient parser would misread are refused with the line of the problem."""
    with pytest.raises(InvalidFile, match=problem) as caught:
        utf8_feed(data, "f")
    assert caught.value.line == line


@pytest.mark.parametrize("encoding", ["rot13", "utf-7", "punycode", "iso-8859-99"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """Encodings that feeds do not use are refused."""
    with pytest.raises(InvalidFile, match=f"the encoding {encoding}"):
        utf8_feed(f'<?xml version="1.0" encoding="{encoding}"?>{FEED}'.encode(), "f")


def test_text_that_is_not_in_its_encoding_is_refused() -> None:
    """A wrong encoding declaration is an error."""
    with pytest.raises(InvalidFile, match="is not written in it"):
        utf8_feed(f'<?xml version="1.0" encoding="us-ascii"?>{FEED}'.encode(), "f")
    with pytest.raises(InvalidFile, match="broken UTF-16"):
        utf8_feed(b"\xff\xfe<", "f")
