import contextlib
import datetime as dt
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_a_category_that_is_too_long_is_dropped() -> None:
    """Some authors write sentences as categories; the paper arrives without them."""
    feed = parse_feed(ATOM.replace(b'term="cs.IR"', b'term="' + b"about ranking " * 20 + b'"'), "f")

    assert [paper.categories for paper in feed.papers] == [("cs.LG",)]


def test_arxiv_rss_is_read() -> None:
    """The announcement is cut from abstracts, authors are split, and new versions of older papers are left out."""
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
    assert (len(feed.papers), feed.replaced_count, feed.skipped) == (1, 1, ())


def test_other_feeds_are_read() -> None:
    """Papers of a journal's feed have ids from DOIs or titles, and no script addresses."""
    feed = parse_feed(JOURNAL, "f")

    assert (feed.title, feed.date, feed.is_arxiv) == ("A & B", None, False)
    assert feed.papers[0] == Paper(
        "doi:10.1000/abc",
        "Cells in vivo",
        "One. p < 0.05 & more",
        ("A. Byron", "Emile Zola"),
        url="https://journal.example/1",
        published_at=dt.datetime(2024, 3, 1, tzinfo=dt.UTC),
    )
    assert feed.papers[1].paper_id.startswith("title:")
    assert (feed.papers[1].url, feed.papers[1].published_at) == ("", None)


def test_arxiv_error_answer_is_refused() -> None:
    """The answer of arXiv to a wrong query is an error, although it is a feed with one entry."""
    answer = ATOM.replace(b"http://arxiv.org/abs/2401.00001v2</id>", b"http://arxiv.org/api/errors#incorrect</id>")
    with pytest.raises(InvalidFile, match="arXiv's answer to a wrong query: 'For"):
        parse_feed(answer, "f")


def test_bad_entries_are_left_out_and_named() -> None:
    """An entry without a title and a repeated one cost no other entry, and are named with their lines."""
    untitled = parse_feed(RSS.replace(b"<title>Learning to Rank</title>", b"<title> </title>"), "f")
    assert [str(each) for each in untitled.skipped] == ["line 5, entry 1: has no title"]

    item = RSS[RSS.index(b"<item>") : RSS.index(b"</item>") + 7]
    repeated = parse_feed(RSS.replace(b"</channel>", item + b"</channel>"), "f")
    assert [paper.paper_id for paper in repeated.papers] == ["arxiv:2403.00001"]
    assert [str(each) for each in repeated.skipped] == ["line 19, Learning to Rank: repeats the paper of line 5"]


def test_short_titles_of_two_addresses_are_two_papers() -> None:
    """Every journal has an "Editorial Board", so the address belongs to the id of such an entry."""
    item = "<item><title>Editorial Board</title><link>https://journal.example/{}</link></item>"
    text = f"<rss><channel>{item.format(1)}{item.format(2)}{item.format(1)}</channel></rss>"
    feed = parse_feed(text.encode(), "f")
    assert len({paper.paper_id for paper in feed.papers}) == len(feed.papers) == 2
    assert len(feed.skipped) == 1


@pytest.mark.parametrize("kind", ["replace", "replace-cross"])
@pytest.mark.parametrize("form", ["element", "text", "title"])
def test_new_versions_are_left_out_in_every_form(kind: str, form: str) -> None:
    """New versions are announced in an element, in the text or, formerly, in the title."""
    title = "Old (arXiv:1901.00002v7 [cs.LG] UPDATED)" if form == "title" else "Old"
    said = f"arXiv:1901.00002v7 Announce Type: {kind} Abstract: Old." if form == "text" else "Old."
    element = (
        f"<announce_type xmlns='http://arxiv.org/schemas/atom'>{kind}</announce_type>" if form == "element" else ""
    )
    item = f"<item><title>{title}</title><link>https://arxiv.org/abs/1901.00002</link><description>{said}</description>"
    feed = parse_feed(f"<rss><channel>{item}{element}</item></channel></rss>".encode(), "f")
    assert (feed.papers, feed.replaced_count) == ((), 1)


def test_accents_in_tex_are_read_and_formulas_stay() -> None:
    """Accents in titles and abstracts become letters; formulas, and apostrophes that were escaped, stay as they are."""
    text = r"Schr\"odinger, Poincar\'e, Erd\H{o}s and {\v C}ech don\'t like $\hat{x}\cdot\vec{y}$"
    item = f"<item><title>Cats of Schr\\&quot;odinger</title><description>{text}</description></item>"
    paper = parse_feed(f"<rss><channel>{item}</channel></rss>".encode(), "f").papers[0]
    assert paper.title == "Cats of Schrödinger"
    assert paper.abstract == r"Schrödinger, Poincaré, Erdős and Čech don\'t like $\hat{x}\cdot\vec{y}$"


@pytest.mark.parametrize(
    "item",
    [
        "<item><title>A</title>" + "<pubDate>x</pubDate>" * 20_000 + "</item>",
        "<item><title>A</title>" + "<author>Ida Noll</author>" * 50_000 + "</item>",
        "<item><title>A</title><author>" + "(" * 200_000 + "</author></item>",
        "<item><title>A</title><author>" + " and and" * 50_000 + "</author></item>",
        "<item><title>A</title><author>" + "a@" * 200_000 + "</author></item>",
        "<item><title>" + "(arXiv:" * 50_000 + "</title></item>",
        "<item><title>a" + " " * 200_000 + "b</title></item>",
        "<item><title>A</title>" + "<guid>doi:10.1000/</guid>" * 20_000 + "</item>",
        "<item><title>A</title><guid>" + "doi:10.1000/" * 20_000 + "</guid></item>",
        "<item/>" * 20_001,
    ],
)
def test_hostile_entries_take_linear_time(item: str) -> None:
    """An entry with very many or very long parts is read, or refused, within seconds."""
    began = time.perf_counter()
    with contextlib.suppress(InvalidFile):
        parse_feed(f"<rss><channel>{item}</channel></rss>".encode(), "f")
    assert time.perf_counter() - began < 10


TITLES = st.text(alphabet="abcdefgh ijkl", min_size=3).map(str.strip).filter(lambda text: len(text) > 2)
BAD_ITEMS = st.sampled_from(
    [
        "<item/>",
        "<item><title/></item>",
        "<item><title>&lt;p&gt; &lt;/p&gt;</title><link>https://journal.example/x</link></item>",
        f"<item><title>{'long ' * 1000}</title></item>",
        "<item><description>Only a text.</description></item>",
        "<item><title>Known one</title><link>https://doi.org/10.1000/0</link></item>",
        "<item><title>Odd &amp;amp; id</title><guid>doi:10.1000/" + "a" * 300 + "</guid></item>",
        "<item><title>Old</title><guid>arXiv:2401.00009</guid><summary>arXiv:1 Announce Type: replace</summary></item>",
    ]
)


@given(titles=st.lists(TITLES, min_size=1, max_size=8), bad=BAD_ITEMS, place=st.integers(0, 8))
def test_good_entries_arrive_whatever_stands_between_them(titles: list[str], bad: str, place: int) -> None:
    """One bad entry among good ones costs only itself."""
    items = [
        f"<item><title>{title}</title><link>https://doi.org/10.1000/{number}</link></item>"
        for number, title in enumerate(titles)
    ]
    place = max(1, min(place, len(items)))  # the repeated paper has to come second
    items.insert(place, bad)
    feed = parse_feed(f"<rss version='2.0'><channel>{''.join(items)}</channel></rss>".encode(), "f")
    assert [paper.paper_id for paper in feed.papers] == [f"doi:10.1000/{number}" for number in range(len(titles))]
    assert len(feed.skipped) + feed.replaced_count == 1


def test_feed_without_entries_has_no_papers() -> None:
    """A feed without entries is valid, because arXiv sends one on days without announcements."""
    assert parse_feed(b'<rss version="2.0"><channel><title>T</title></channel></rss>', "f").papers == ()
