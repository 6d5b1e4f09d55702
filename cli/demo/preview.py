"""Writes the demo's feeds as one HTML page that needs no other file; every text in it is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
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
_STYLE = (files("cli.demo") / "preview.css").read_text(encoding="utf-8")


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
