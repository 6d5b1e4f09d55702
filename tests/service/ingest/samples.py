"""A small valid file of each format, written by hand. All dates are before ``NOW``."""

import datetime as dt
import json

NOW = dt.datetime(2024, 3, 11, 12, 0, tzinfo=dt.UTC)
DAY = dt.date(2024, 3, 11)

ABSTRACT = "We study how lists are made and what a reader does with them. " * 8

PAGE = f"""new

Get trending papers in your email inbox!

Subscribe

byAK and the research community

Mar 11

Learning to Rank Papers

{ABSTRACT}

A Second Paper -- With a Longer Title, so That It Is Longer Than the Shortest Allowed Abstract of a Page

{ABSTRACT}More.
""".encode()

HF_DAILY = json.dumps(
    [
        {
            "paper": {
                "id": "2403.00001",
                "title": "Learning to\nRank Papers",
                "summary": "We rank.\nThen we rest.",
                "authors": [{"name": "Ada Byron", "hidden": False}, {"name": "Émile Zola"}],
                "publishedAt": "2024-03-08T10:00:00.000Z",
                "submittedOnDailyAt": "2024-03-11T01:00:00.000Z",
                "upvotes": 12,
            },
            "publishedAt": "2024-03-08T10:00:00.000Z",
        },
        {"paper": {"id": "2403.00002v2", "title": "Second"}, "publishedAt": "2024-03-10T00:00:00Z"},
    ],
    ensure_ascii=False,
).encode()

ATOM = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">
  <title>ArXiv Query: cat:cs.IR</title><updated>2024-03-11T00:00:00-05:00</updated>
  <entry>
    <id>http://arxiv.org/abs/2401.00001v2</id>
    <updated>2024-02-01T00:00:00Z</updated><published>2024-01-01T10:00:00Z</published>
    <title>Learning to
      Rank &lt;i&gt;Papers&lt;/i&gt;</title>
    <summary>  For $n &lt; m$ and p &gt; q,
      R&amp;amp;D matters.  </summary>
    <author><name>Ada Byron</name></author><author><name>Émile Zola</name></author>
    <category term="cs.IR"/><category term="cs.LG"/>
    <link href="http://arxiv.org/abs/2401.00001v2" rel="alternate" type="text/html"/>
    <link title="pdf" href="http://arxiv.org/pdf/2401.00001v2" rel="related"/>
  </entry>
</feed>""".encode()

RSS = """<?xml version='1.0' encoding='UTF-8'?>
<rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" version="2.0">
 <channel>
  <title>cs.IR updates on arXiv.org</title><pubDate>Mon, 11 Mar 2024 00:00:00 -0400</pubDate>
  <item>
   <title>Learning to Rank</title><link>https://arxiv.org/abs/2403.00001</link>
   <description>arXiv:2403.00001v1 Announce Type: new
Abstract: For $n&lt;m$ we rank.</description>
   <guid isPermaLink="false">oai:arXiv.org:2403.00001v1</guid><category>cs.IR</category>
   <pubDate>Mon, 11 Mar 2024 00:00:00 -0400</pubDate><arxiv:announce_type>new</arxiv:announce_type>
   <dc:creator>Ada Byron, Émile Zola</dc:creator>
  </item>
  <item>
   <title>An Old One</title><link>https://arxiv.org/abs/2001.00002</link>
   <description>arXiv:2001.00002v7 Announce Type: replace
Abstract: Revised.</description>
   <pubDate>Mon, 11 Mar 2024 00:00:00 -0400</pubDate><arxiv:announce_type>replace</arxiv:announce_type>
  </item>
 </channel>
</rss>""".encode()

JSON_FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "A blog",
        "home_page_url": "https://blog.example/",
        "items": [
            {
                "id": "1",
                "url": "https://blog.example/1",
                "title": "Learning to Rank",
                "content_html": "<p>We rank.</p>",
                "date_published": "2024-03-10T08:00:00Z",
                "authors": [{"name": "Ada Byron"}],
                "tags": ["ranking"],
            }
        ],
    }
).encode()

MARKDOWN = b"""\
# Papers of the day

- [Learning to Rank](https://arxiv.org/abs/2403.00001) - Ada Byron, Emile Zola
- **A Second Paper** [[paper](https://arxiv.org/abs/2403.00002)] [[code](https://github.com/a/b)]
  - Abstract: We study how lists are made and what readers do with them, for a year and a day.
"""

JSONL = b"""\
{"paper_id": "arxiv:2403.00001", "title": "First", "abstract": "A.", "authors": ["Ada Byron"], "categories": ["cs.IR"]}

{"paper_id": "x:2", "title": "Second", "url": "https://example.org/2", "published_at": "2024-03-01", "upvotes": 3}
"""

EVENTS = b"""\
user_id,paper_id,event,occurred_at,event_id,slate_id
u1,arxiv:2403.00001,like,2024-03-10T09:30:00Z,,
u1,x:2,click,,e-1,s-1
"""

BIBTEX = rb"""
% exported on a sunny day
@string{venue = "A Venue"}
@article{muller2017,
  title = {The {DNA} of M{\"u}ller's Lists: 5% Better},
  author = "M{\"u}ller, J{\"o}rg and {Barnes, Noble and Sons} and Byron, Jr, Ada and others",
  journal = venue,
  year = 2017,
  doi = {10.1000/ABC_def},
  abstract = {A caf\'e, $O(n^2)$ and AT\&T.},
  date-added = {2019-03-02 11:24:44 +0100}
}
@misc{vaswani2017attention,
  title={Attention Is All You Need}, author={Ashish Vaswani}, eprint={1706.03762v5}, archivePrefix={arXiv},
  primaryClass={cs.CL}, keywords={to read}
}
"""

RIS = b"""\
TY  - JOUR
TI  - Learning to Rank
AU  - Byron, Ada
AU  - Zola, Emile
DO  - 10.1000/xyz
DA  - 2017/05/03
AB  - We rank
  and rank.
UR  - https://example.org/1
ER  -

TY  - GEN
T1  - Attention Is All You Need
AU  - Vaswani, Ashish
UR  - http://arxiv.org/abs/1706.03762
ER  -
"""

_ZOTERO_COLUMNS = (
    "Key,Item Type,Publication Year,Author,Title,Publication Title,DOI,Url,Abstract Note,Date,Date Added,Extra"
)
ZOTERO = f"""\
"{_ZOTERO_COLUMNS.replace(",", '","')}"
"AAAA1111","journalArticle","2017","Byron, Ada; Zola, Emile","Learning to Rank","A Venue","10.1000/xyz","","We rank
and rank.","2017-05-03","2019-03-02 11:24:44",""
"BBBB2222","preprint","2017","Vaswani, Ashish","Attention Is All You Need","","","","","2017","2019-03-01 08:00:00",\
"arXiv:1706.03762 [cs]"
"CCCC3333","note","","","","","","","","","2019-03-01 08:00:00",""
""".encode()
