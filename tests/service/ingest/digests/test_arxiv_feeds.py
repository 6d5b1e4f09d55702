import datetime as dt

import pytest

from service.domain.errors import InvalidFile
from service.domain.papers import Paper
from service.ingest.digests.arxiv_feeds import parse_feed
from tests.service.ingest.samples import ATOM, RSS

JOURNAL = b"""\
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>A &amp; B</title>
<item><title>Cells &lt;i&gt;in vivo&lt;/i&gt;</title><link>https://journal.example/1</link>
<description>&lt;p&gt;One.&lt;/p&gt;&lt;p&gt;p &lt; 0.05 &amp;amp; more&lt;/p&gt;</description>
<dc:creator>Byron, A.</dc:creator><dc:creator>Emile Zola</dc:creator><dc:identifier>doi:10.1000/ABC</dc:identifier>
<dc:date>2024-03-01</dc:date></item>
<item><title>A Plain Item Without Names</title><link>javascript:alert(1)</link><pubDate>gibberish</pubDate></item>
</channel></rss>"""


def test_arxiv_api_is_read() -> None:
    """Versions and HTML are removed, comparisons stay, and the date is that of the first version."""
    feed = parse_feed(ATOM, "f")

    assert (feed.title, feed.date, feed.is_arxiv) == ("ArXiv Query: cat:cs.IR", dt.date(2024, 3, 11), True)
    assert feed.papers == (
        Paper(
            "arxiv:2401.00001",
            "Learning to Rank Papers",
            "For $n < m$ and p > q, R&D matters.",
            ("Ada Byron", "Émile Zola"),
            ("cs.IR", "cs.LG"),
            "https://arxiv.org/abs/2401.00001",
            dt.datetime(2024, 1, 1, 10, tzinfo=dt.UTC),
        ),
    )


def test_arxiv_rss_is_read() -> None:
    """The announcement is cut from abstracts, authors are split, and replaced papers have no date."""
    feed = parse_feed(RSS, "f")

    assert (feed.date, feed.is_arxiv) == (dt.date(2024, 3, 11), True)
    assert feed.papers[0] == Paper(
        "arxiv:2403.00001",
        "Learning to Rank",
        "For $n<m$ we rank.",
        ("Ada Byron", "Émile Zola"),
        ("cs.IR",),
        "https://arxiv.org/abs/2403.00001",
        dt.datetime(2024, 3, 11, 4, tzinfo=dt.UTC),
    )
    assert (feed.papers[1].abstract, feed.papers[1].published_at) == ("Revised.", None)


def test_other_feeds_are_read() -> None:
    """Papers of a journal's feed have ids from DOIs or titles, no script addresses and no dates of updates."""
    feed = parse_feed(JOURNAL, "f")

    assert (feed.title, feed.date, feed.is_arxiv) == ("A & B", None, False)
    assert feed.papers[0] == Paper(
        "doi:10.1000/abc",
        "Cells in vivo",
        "One. p < 0.05 & more",
        ("Byron, A.", "Emile Zola"),
        url="https://journal.example/1",
    )
    assert feed.papers[1].paper_id.startswith("title:")
    assert (feed.papers[1].url, feed.papers[1].published_at) == ("", None)


def test_arxiv_error_answer_is_refused() -> None:
    """The answer of arXiv to a wrong query is an error, although it is a feed with one entry."""
    answer = ATOM.replace(b"http://arxiv.org/abs/2401.00001v2</id>", b"http://arxiv.org/api/errors#incorrect</id>")
    with pytest.raises(InvalidFile, match="arXiv's answer to a wrong query: 'For"):
        parse_feed(answer, "f")


def test_faults_name_the_entry() -> None:
    """An entry without title and a repeated paper are errors that name the entry."""
    with pytest.raises(InvalidFile, match="entry 2: title: must not be empty"):
        parse_feed(RSS.replace(b"<title>An Old One</title>", b""), "f")
    with pytest.raises(InvalidFile, match=r"entry 2: paper arxiv:2403\.00001 is already at entry 1"):
        parse_feed(RSS.replace(b"2001.00002", b"2403.00001"), "f")


def test_feed_without_entries_has_no_papers() -> None:
    """A feed without entries is valid, because arXiv sends one on days without announcements."""
    assert parse_feed(b'<rss version="2.0"><channel><title>T</title></channel></rss>', "f").papers == ()
