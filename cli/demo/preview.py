"""The feeds as one HTML page, self-contained and escaped."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from cli.queries.reasons import fallback_in_words, in_words

if TYPE_CHECKING:
    from cli.demo.command import DemoDigest
    from cli.demo.users import SampleUser
    from paperfeed.v1 import feed_pb2

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #59636e; --line: #d9dee3; --page: #f6f7f8; --card: #fff;
  --accent: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaed; --soft: #a3adb8; --line: #343b43; --page: #14181c;
  --card: #1c2227; --accent: #7ab8f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.45 system-ui, sans-serif; }
header, main { max-width: 76rem; margin: auto; padding: 1.5rem 1rem 0; }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); padding-bottom: 2rem; }
h1 { font-size: 1.5rem; margin: 0; } header p, section > p { color: var(--soft); margin: .25rem 0 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.1rem; }
h2 { font-size: 1.1rem; margin: 0; }
ol { padding-left: 1.6rem; margin: .8rem 0 0; } li { margin-bottom: .8rem; } li::marker { color: var(--soft); }
h3 { font-size: .98rem; font-weight: 600; line-height: 1.3; margin: 0; } h3 a { color: var(--accent); }
ul { list-style: none; padding: 0; margin: .2rem 0 0; color: var(--soft); font-size: .87rem; }
ul li { margin: 0; }
"""


def write_preview(
    path: Path,
    digest: "DemoDigest",
    users: "list[SampleUser]",
    feeds: "dict[str, feed_pb2.GetFeedResponse]",
) -> Path:
    """Writes the page; gives its path."""
    sections = "\n".join(_section(user, feeds[user.user_id]) for user in users)
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>paperfeed preview</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>One digest, three readers</h1>
<p>{escape(digest.title)}, {len(digest.papers)} papers. The readers and what they liked are invented.</p>
</header>
<main>
{sections}
</main>
</body>
</html>
"""
    path.write_text(page, encoding="utf-8")
    return path


def _section(user: "SampleUser", feed: "feed_pb2.GetFeedResponse") -> str:
    items = "\n".join(_item(item) for item in feed.items)
    note = fallback_in_words(feed.fallback_reason)
    likes = f"{escape(user.reads)}; {len(user.likes)} likes"
    return f"""<section>
<h2>{escape(user.name)}</h2>
<p>{likes}{f". {escape(note)}" if note else ""}</p>
<ol>
{items}
</ol>
</section>"""


def _item(item: "feed_pb2.FeedItem") -> str:
    title = escape(item.paper.title)
    if item.paper.url.startswith(("https://", "http://")):
        title = f'<a href="{escape(item.paper.url, quote=True)}">{title}</a>'
    reasons = "".join(f"<li>{escape(in_words(reason, max_subject=90))}</li>" for reason in item.reasons)
    return f"<li><h3>{title}</h3>{f'<ul>{reasons}</ul>' if reasons else ''}</li>"
