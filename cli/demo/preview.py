"""Writes the demo's feeds as one HTML page that needs no other file; every text in it is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from cli.demo.samples import DemoDigest, SampleUser
from cli.output import write_page
from cli.queries.reasons import fallback_in_words, in_words
from paperfeed.v1 import catalog_pb2, feed_pb2

_MAX_AUTHORS = 3
_MAX_ABSTRACT = 260
_ICONS = {
    feed_pb2.REASON_TYPE_SIMILAR_TO_LIKED: "♥",
    feed_pb2.REASON_TYPE_TOPIC: "#",
    feed_pb2.REASON_TYPE_TRENDING: "▲",
    feed_pb2.REASON_TYPE_FRESH: "✦",
    feed_pb2.REASON_TYPE_FOLLOWED_AUTHOR: "★",
    feed_pb2.REASON_TYPE_EXPLORATION: "↗",
}
_STYLE = """
:root { color-scheme: light dark; --ink: #16202b; --soft: #5b6775; --line: #e1e6ec; --page: #f3f5f8; --card: #fff;
  --accent: #1d5fd1; --tint: #e9f0fd; --tint-ink: #1b4b9e; --shadow: 0 1px 2px #16202b14, 0 4px 14px #16202b0d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --soft: #9aa7b5; --line: #2b3540; --page: #0f151c;
  --card: #18212b; --accent: #82b1ff; --tint: #1d2f4c; --tint-ink: #b9d2ff; --shadow: none; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", sans-serif;
  overflow-wrap: anywhere; }
header, main { max-width: 84rem; margin: auto; padding: 1.4rem 1.1rem 0; }
.brand { color: var(--accent); font-weight: 700; letter-spacing: .02em; margin: 0; }
h1 { font-size: 1.55rem; line-height: 1.25; margin: .1rem 0 .3rem; }
header p { color: var(--soft); margin: 0; max-width: 60rem; }
main { display: grid; gap: 1.1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr));
  align-items: start; padding-bottom: 2.5rem; }
.one header, .one main { max-width: 50rem; } .one main { display: block; }
.user { padding: .2rem .2rem .8rem; }
h2 { display: flex; align-items: center; gap: .6rem; font-size: 1.15rem; margin: 0; }
h2 span { display: grid; place-items: center; flex: none; width: 2rem; height: 2rem; border-radius: 50%;
  background: var(--accent); color: var(--page); font-size: .95rem; }
.user p, summary { color: var(--soft); font-size: .87rem; margin: .35rem 0 0; }
details ul { margin: .3rem 0 0; padding-left: 1.1rem; color: var(--soft); font-size: .82rem; }
summary { cursor: pointer; }
ol { list-style: none; display: grid; gap: .8rem; padding: 0; margin: 0; }
article { display: grid; grid-template-columns: 2rem minmax(0, 1fr); background: var(--card);
  border: 1px solid var(--line); border-radius: .8rem; padding: .85rem 1rem .9rem .6rem; box-shadow: var(--shadow); }
.rank { color: var(--accent); font-weight: 700; font-variant-numeric: tabular-nums; text-align: center; }
h3 { font-size: 1rem; font-weight: 650; line-height: 1.32; margin: 0; }
h3 a { color: inherit; text-decoration: none; } h3 a:hover, h3 a:focus-visible { color: var(--accent);
  text-decoration: underline; }
.facts { color: var(--soft); font-size: .8rem; margin: .25rem 0 0; }
.facts + .facts { margin-top: 0; } .facts span { white-space: nowrap; } .facts span + span::before { content: "· "; }
.why { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem; padding: 0; margin: .5rem 0 0; }
.why li { background: var(--tint); color: var(--tint-ink); border-radius: .6rem; font-size: .78rem; line-height: 1.35;
  padding: .16rem .55rem; }
.abstract { color: var(--soft); font-size: .85rem; line-height: 1.45; margin: .5rem 0 0; display: -webkit-box;
  -webkit-box-orient: vertical; -webkit-line-clamp: 3; line-clamp: 3; overflow: hidden; }
"""


def write_preview(
    path: Path, digest: DemoDigest, users: Sequence[SampleUser], feeds: Mapping[str, feed_pb2.Slate]
) -> None:
    """Write the page with the feed of each user, by user id."""
    sections = "\n".join(_section(user, feeds[user.user_id]) for user in users)
    lead = f"{len(digest.papers)} papers: {digest.title}. The users and their likes are invented."
    write_page(path, _page("One digest, ranked for each user", lead, sections))


def write_feed(path: Path, feed: feed_pb2.Slate) -> None:
    """Write the page with the feed of one user."""
    when = f"{feed.as_of.ToDatetime():%d %B %Y}"
    lead = f"{len(feed.items)} papers, best first. {fallback_in_words(feed)}".strip()
    items = "\n".join(_item(item) for item in feed.items)
    write_page(path, _page(f"Your papers, {when}", lead, f"<section>\n<ol>\n{items}\n</ol>\n</section>", "one"))


def _page(heading: str, lead: str, content: str, layout: str = "all") -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>paperfeed: {escape(heading)}</title>
<style>{_STYLE}</style>
</head>
<body class="{layout}">
<header>
<p class="brand">paperfeed</p>
<h1>{escape(heading)}</h1>
<p>{escape(lead)}</p>
</header>
<main>
{content}
</main>
</body>
</html>
"""


def _section(user: SampleUser, feed: feed_pb2.Slate) -> str:
    likes = "".join(f"<li>{escape(paper.title)}</li>" for paper in user.likes)
    fallback = fallback_in_words(feed)
    items = "\n".join(_item(item) for item in feed.items)
    return f"""<section>
<div class="user">
<h2><span aria-hidden="true">{escape(user.name[:1])}</span>{escape(user.name)}</h2>
<p>Reads about {escape(user.reads)}{f" ({escape(fallback)})" if fallback else ""}</p>
<details><summary>Likes {len(user.likes)} papers</summary><ul>{likes}</ul></details>
</div>
<ol>
{items}
</ol>
</section>"""


def _item(item: feed_pb2.FeedItem) -> str:
    paper = item.paper
    title = escape(paper.title)
    if paper.url.startswith(("https://", "http://")):
        title = f'<a href="{escape(paper.url)}">{title}</a>'
    facts, abstract = _facts(paper), escape(_shortened(paper.abstract))
    reasons = "".join(
        f"<li>{_ICONS.get(reason.type, '')} {escape(in_words(reason, max_subject=90))}</li>" for reason in item.reasons
    )
    parts = (
        f"<h3>{title}</h3>",
        *(f'<p class="facts">{line}</p>' for line in facts if line),
        f'<ul class="why" aria-label="Why this paper">{reasons}</ul>' if reasons else "",
        f'<p class="abstract">{abstract}</p>' if abstract else "",
    )
    return f'<li><article><div class="rank">{item.rank}</div><div>{"".join(parts)}</div></article></li>'


def _facts(paper: catalog_pb2.Paper) -> tuple[str, str]:
    """Return a line with the authors and one with categories, date and upvotes; both may be empty."""
    authors = ", ".join(paper.authors[:_MAX_AUTHORS]) + (" et al." if len(paper.authors) > _MAX_AUTHORS else "")
    day = f"{paper.published_at.ToDatetime():%d %b %Y}" if paper.HasField("published_at") else ""
    upvotes = f"{paper.upvotes} upvotes" if paper.HasField("upvotes") else ""
    facts = (", ".join(paper.categories), day, upvotes)
    return escape(authors), " ".join(f"<span>{escape(fact)}</span>" for fact in facts if fact)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_ABSTRACT else text[:_MAX_ABSTRACT].rpartition(" ")[0] + " …"
