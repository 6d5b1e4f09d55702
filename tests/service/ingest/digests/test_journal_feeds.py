# ruff: noqa: E501 - the items are as long as they are in feeds
"""Items as the feeds of publishers, preprint servers and blogs have them. All papers are made up."""

import datetime as dt
from dataclasses import dataclass

import pytest

from service.ingest.digests.arxiv_feeds import parse_feed

NAMESPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/" xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:atom="http://www.w3.org/2005/Atom" '
    'xmlns:arxiv="http://arxiv.org/schemas/atom"'
)
ABSTRACT = "Moss keeps time on walls. It does so for years."
NAMES = ("Ida Noll", "Ben Orr")
NINTH = dt.date(2026, 3, 9)


@dataclass(frozen=True)
class Kind:
    """One item, and what is right of it."""

    item: str
    root: str = "rss"
    title: str = "Moss clocks of the northern wall"
    abstract: str = ABSTRACT
    authors: tuple[str, ...] = NAMES
    day: dt.date | None = NINTH
    paper_id: str = "doi:10.9999/w.1"


TITLE = "<title>Moss clocks of the northern wall</title>"
DC_NAMES = "<dc:creator>Ida Noll</dc:creator><dc:creator>Ben Orr</dc:creator>"
KINDS = {
    "nature": Kind(
        f"{TITLE}<link>https://journal.example/a1</link><content:encoded><![CDATA[<p>Wall, Published online: 09 March 2026; "
        f'<a href="https://doi.org/10.9999/w.1">doi:10.9999/w.1</a></p>{ABSTRACT}]]></content:encoded>{DC_NAMES}'
        "<dc:identifier>doi:10.9999/w.1</dc:identifier><dc:date>2026-03-09</dc:date><prism:doi>10.9999/w.1</prism:doi>",
        "rdf",
    ),
    "wiley": Kind(
        f"<link>https://journal.example/doi/10.9999/w.1?af=R</link><pubDate>Mon, 09 Mar 2026 04:00:00 -0700</pubDate>"
        f"<dc:date>2026-03-09T04:00:00-07:00</dc:date><prism:coverDate>2026-06-01T07:00:00</prism:coverDate>{TITLE}"
        "<description>Imaginary Ecology, EarlyView. </description><dc:description>\n&lt;h2&gt;ABSTRACT&lt;/h2&gt;\n&lt;p&gt;"
        f"{ABSTRACT}&lt;/p&gt;</dc:description><content:encoded>x</content:encoded>"
        "<dc:creator>\nIda Noll, \nBen Orr\n</dc:creator><prism:doi>10.9999/w.1</prism:doi>",
    ),
    "science": Kind(
        f"{TITLE}<link>https://journal.example/doi/abs/10.9999/w.1?af=R</link><description>Wall, Volume 391, Issue 6789, "
        "Page 123-128, March 2026. &lt;br/&gt;</description><dc:creator>Ida Noll</dc:creator>"
        "<dc:creator>Ben Orr</dc:creator><dc:date>2026-03-09T07:00:00Z</dc:date>",
        "rdf",
        abstract="",
    ),
    "elsevier": Kind(
        f"{TITLE}<link>https://journal.example/pii/S0000023?dgcid=rss</link><guid>https://journal.example/pii/S0000023</guid>"
        "<description><![CDATA[<p>Publication date: March 2026</p><p><b>Source:</b> Imaginary Letters, Volume 201</p>"
        "<p>Author(s): Ida Noll, Ben Orr</p>]]></description>",
        abstract="",
        day=None,
        paper_id="title:",
    ),
    "ieee": Kind(
        f"{TITLE}<link>http://journal.example/document/1</link><guid isPermaLink='false'>tag:1</guid><description>{ABSTRACT}"
        "</description><pubDate>Mon, 9 Mar 2026 13:16:00 EDT</pubDate><authors>Ida Noll;Ben Orr;</authors><volume>1</volume>",
        paper_id="title:",
    ),
    "acm": Kind(
        f"{TITLE}<link>https://journal.example/doi/10.9999/w.1?af=R</link><description>Imaginary Surveys, Volume 58, Issue 3, "
        "Page 1-38, March 2026. &lt;br/&gt;</description><dc:title>Moss clocks</dc:title>" + DC_NAMES,
        abstract="",
        day=None,
    ),
    "taylor and francis": Kind(
        f"{TITLE}<link>https://journal.example/doi/full/10.9999/w.1?af=R</link><description>Volume 12, Issue 3, March 2026, "
        f"Page 1-12&lt;br/&gt;. </description>{DC_NAMES}<pubDate>2026-03-09T12:00:00Z</pubDate>",
        abstract="",
    ),
    "plos": Kind(
        "<title>Moss clocks of the northern wall</title><link rel='related' href='https://x.example' title='pdf'/>"
        "<link rel='alternate' href='https://journal.example/article?id=10.9999/w.1' title='x'/><id>10.9999/w.1</id>"
        "<author><name>Ida Noll</name></author><author><name>Ben Orr</name></author><updated>2026-03-11T14:00:00Z</updated>"
        f"<published>2026-03-09T14:00:00Z</published><content type='html'>&lt;p&gt;by Ida Noll, Ben Orr&lt;/p&gt;\n{ABSTRACT}"
        "</content>",
        "atom",
    ),
    "springer": Kind(
        f"{TITLE}<link>https://journal.example/10.9999/w.1</link><guid>10.9999/w.1</guid><pubDate>2026-03-09</pubDate>"
        f"<description>&lt;title&gt;Abstract&lt;/title&gt;&lt;p&gt;{ABSTRACT}&lt;/p&gt;</description>{DC_NAMES}",
    ),
    "mdpi": Kind(
        f"{TITLE}<link>https://journal.example/26/5/1</link><description>&lt;p&gt;&lt;b&gt;Walls, Vol. 26, Pages 1: Moss "
        "clocks of the northern wall&lt;/b&gt;&lt;/p&gt;\n&lt;p&gt;Walls &lt;a href=&quot;x&quot;&gt;doi: 10.9999/w.1&lt;/a"
        "&gt;&lt;/p&gt;\n&lt;p&gt;Authors:\n Ida Noll\n Ben Orr\n &lt;/p&gt;\n&lt;p&gt;" + ABSTRACT + "&lt;/p&gt;"
        f"</description>{DC_NAMES}<dc:date>2026-03-09</dc:date><prism:publicationDate>2026-03-09</prism:publicationDate>"
        "<prism:doi>10.9999/w.1</prism:doi>",
        "rdf",
    ),
    "frontiers": Kind(
        f"{TITLE}<link>https://journal.example/articles/10.9999/w.1</link><guid>https://journal.example/10.9999/w.1</guid>"
        f"<pubDate>2026-03-09T00:00:00Z</pubDate><author>Ida Noll</author><author>Ben Orr</author>"
        f"<description>{ABSTRACT}</description>",
        paper_id="title:",
    ),
    "aps": Kind(
        f"{TITLE}<link>http://journal.example/10.9999/w.1</link><description><![CDATA[<p>Author(s): Ida Noll and Ben Orr</p>"
        f"<p>{ABSTRACT}</p><br/><p>[Imag. Rev. 136, 101801] Published Mon Mar 09, 2026</p>]]></description>"
        "<dc:date>2026-03-09T10:00:00+00:00</dc:date><prism:doi>10.9999/w.1</prism:doi>"
        "<prism:publicationDate>2026-03-09T10:00:00+00:00</prism:publicationDate>",
        "rdf",
    ),
    "biorxiv": Kind(
        f"<title><![CDATA[Moss clocks of the northern wall]]></title><link>https://preprints.example/10.9999/w.1v1?rss=1</link>"
        f"<description><![CDATA[{ABSTRACT}]]></description><dc:creator><![CDATA[ Noll, I., Orr, B. C. ]]></dc:creator>"
        "<dc:date>2026-03-09</dc:date><dc:identifier>doi:10.9999/w.1</dc:identifier><dc:title>x</dc:title>"
        "<prism:publicationDate>2026-03-09</prism:publicationDate><prism:section></prism:section>",
        "rdf",
        authors=("I. Noll", "B. C. Orr"),
    ),
    "pubmed": Kind(
        f"{TITLE}<link>https://pubmed.example/1/?utm=x</link><description>&lt;p&gt;&lt;b&gt;ABSTRACT&lt;/b&gt;&lt;/p&gt;&lt;p&gt;"
        f"{ABSTRACT}&lt;/p&gt;&lt;p&gt;PMID:&lt;a&gt;1&lt;/a&gt; | DOI:&lt;a&gt;10.9999/w.1&lt;/a&gt;&lt;/p&gt;</description>"
        "<content:encoded><![CDATA[<div><p>J Moss. 2026 Mar 9. doi: 10.9999/w.1. Online ahead of print.</p></div>]]>"
        f"</content:encoded><guid isPermaLink='false'>pubmed:1</guid><pubDate>Mon, 09 Mar 2026 06:00:00 -0400</pubDate>"
        f"{DC_NAMES}<dc:date>2026-03-09</dc:date><dc:identifier>pmid:1</dc:identifier>"
        "<dc:identifier>doi:10.9999/w.1</dc:identifier>",
    ),
    "lists of names": Kind(
        f"{TITLE}<link>https://journal.example/1</link><dc:creator><rdf:Seq><rdf:li>Ida Noll</rdf:li><rdf:li>Ben Orr</rdf:li>"
        f"</rdf:Seq></dc:creator><dc:identifier>info:doi/10.9999/w.1</dc:identifier><dc:date>2026-03-09</dc:date>"
        f"<description>{ABSTRACT}</description>",
        "rdf",
    ),
    "hugging face": Kind(
        f"{TITLE}<link>https://huggingface.co/papers/2603.00001</link><guid>https://huggingface.co/papers/2603.00001</guid>"
        f"<pubDate>Mon, 09 Mar 2026 00:00:00 GMT</pubDate><description>{ABSTRACT}</description>",
        authors=(),
        paper_id="arxiv:2603.00001",
    ),
    "substack": Kind(
        f"{TITLE}<link>https://blog.example/p/moss</link><guid isPermaLink='false'>https://blog.example/p/moss</guid>"
        f"<description><![CDATA[{ABSTRACT}]]></description><dc:creator><![CDATA[Ida Noll]]></dc:creator>"
        f"<content:encoded><![CDATA[{'<p>Long article.</p>' * 20_000}]]></content:encoded>"
        "<media:content><media:title>A picture</media:title></media:content>"
        "<pubDate>Mon, 09 Mar 2026 12:00:00 GMT</pubDate>",
        authors=("Ida Noll",),
        paper_id="title:",
    ),
    "blog in atom": Kind(
        "<title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>Moss <b>clocks</b> of the northern wall</div></title>"
        "<link href='/moss'/><id>tag:blog.example,2026:1</id><published>2026-03-09T12:00:00+01:00</published>"
        "<updated>2026-03-10T12:00:00Z</updated><author><name>Ida Noll</name><email>ida@blog.example</email></author>"
        f"<summary type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>{ABSTRACT}</p></div></summary>",
        "atom",
        authors=("Ida Noll",),
        paper_id="title:",
    ),
    "rss 0.91": Kind(
        f"{TITLE}<link>https://journal.example/1</link><description>{ABSTRACT}</description>",
        "rss091",
        authors=(),
        day=None,
        paper_id="title:",
    ),
    "rss 0.90": Kind(f"{TITLE}<link>https://journal.example/1</link>", "rdf090", "", "", (), None, "title:"),
    "arxiv": Kind(
        f"{TITLE}<link>https://arxiv.org/abs/2603.00001</link><description>arXiv:2603.00001v1 Announce Type: new \n"
        f"Abstract: {ABSTRACT}</description><guid isPermaLink='false'>oai:arXiv.org:2603.00001v1</guid>"
        "<category>cs.XX</category><pubDate>Mon, 09 Mar 2026 00:00:00 -0400</pubDate>"
        "<arxiv:announce_type>new</arxiv:announce_type><dc:creator>Ida Noll, Ben Orr</dc:creator>",
        paper_id="arxiv:2603.00001",
    ),
}
ROOTS = {
    "rss": "<rss version='2.0' {ns}><channel><title>J</title><atom:link rel='self' href='x'/><item>{item}</item></channel></rss>",
    "rdf": "<rdf:RDF xmlns='http://purl.org/rss/1.0/' xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' {ns}>"
    "<channel rdf:about='x'><title>J</title></channel><item rdf:about='https://journal.example/about'>{item}</item></rdf:RDF>",
    "atom": "<feed xmlns='http://www.w3.org/2005/Atom' {ns}><title>J</title><link href='https://blog.example/'/>"
    "<entry>{item}</entry></feed>",
    "rss091": "<!DOCTYPE rss PUBLIC '-//Netscape Communications//DTD RSS 0.91//EN' 'http://my.netscape.com/x.dtd'>"
    "<rss version='0.91'><channel><title>J</title><item>{item}</item></channel></rss>",
    "rdf090": "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://my.netscape.com/rdf/simple/0.9/'>"
    "<channel><title>J</title></channel><item>{item}</item></rdf:RDF>",
}


@pytest.mark.parametrize("kind", KINDS)
def test_items_of_publishers_are_read(kind: str) -> None:
    """Title, abstract without notices, single names, day of publication and id are right for each kind of feed."""
    right = KINDS[kind]
    feed = parse_feed(ROOTS[right.root].format(ns=NAMESPACES, item=right.item).encode(), "f")

    (paper,) = feed.papers
    assert feed.skipped == ()
    assert paper.title == (right.title or "Moss clocks of the northern wall")
    assert paper.abstract == right.abstract
    assert paper.authors == right.authors
    assert (paper.published_at.date() if paper.published_at else None) == right.day
    assert paper.paper_id == right.paper_id or (right.paper_id == "title:" and paper.paper_id.startswith("title:"))
    assert paper.url.startswith("https://" if "http:" not in right.item.split("</link>")[0] else "http")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Mon, 09 Mar 2026 00:00:00 GMT", "2026-03-09T00:00"),
        ("Mon, 09 Mar 2026 23:00:00 -0700", "2026-03-10T06:00"),
        ("09 Mar 26 08:00 EST", "2026-03-09T13:00"),
        ("Mon, 09 Mar 2026", "2026-03-09T00:00"),
        ("2026-03-09", "2026-03-09T00:00"),
        ("2026-03-09T08:00:00.123-07:00", "2026-03-09T15:00"),
        ("20260309", "2026-03-09T00:00"),
        ("2026/03/09", "2026-03-09T00:00"),
        ("9 March 2026", "2026-03-09T00:00"),
        ("March 9, 2026", "2026-03-09T00:00"),
        ("March 2026", None),
        ("2026-03", None),
        ("2026", None),
        ("Mon, 99 Foo 99999 99:99", None),
        ("0000-00-00T00:00:00Z", None),
        ("soon", None),
    ],
)
def test_dates_are_read(text: str, day: str | None) -> None:
    """Days and times in the forms of feeds are read as UTC; a month is no day."""
    data = f"<rss><channel><item><title>Moss</title><pubDate>{text}</pubDate></item></channel></rss>".encode()
    read = parse_feed(data, "f").papers[0].published_at
    assert (read.strftime("%Y-%m-%dT%H:%M") if read else None) == day
