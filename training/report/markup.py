"""Self-contained HTML: the frame of a page, its style, tables and lists. All texts are escaped here."""

import html
from collections.abc import Iterable, Sequence

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2128; --quiet: #59636e; --line: #d1d9e0; --ground: #fff; --card: #f6f8fa;
  --ranker: #0b62c4; --baseline: #7d8894; --good: #1a7f37; --bad: #b3261e; --open: #8a6100 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9aa5b1; --line: #343b44; --ground: #12161c;
  --card: #1b2129; --ranker: #62a8ff; --baseline: #8b96a3; --good: #4cc366; --bad: #ff7b72; --open: #e0ac3a } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 0 auto; padding: 1rem; color: var(--ink);
  background: var(--ground) }
h1 { font-size: 1.5rem; line-height: 1.25 } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem }
h3 { font-size: 1rem; margin: 1.4rem 0 .2rem } p, li, caption, td, th, summary { overflow-wrap: break-word }
.verdict { background: var(--card); border-left: .3rem solid var(--open); padding: .6rem 1rem; margin: 1rem 0 }
.verdict.good { border-color: var(--good) } .verdict.bad { border-color: var(--bad) }
.verdict p { margin: .2rem 0; font-size: 1.1rem; font-weight: 600 } ul { padding-left: 1.2rem; margin: .4rem 0 }
.note { color: var(--quiet); font-size: .9rem; margin: .2rem 0 .6rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .9rem; margin: .3rem 0 1rem }
th, td { padding: .15rem .6rem; text-align: right; font-weight: normal; font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left; padding-left: 0 } thead th { color: var(--quiet) }
tbody tr + tr { border-top: 1px solid var(--line) } .chart { width: 100%; table-layout: fixed }
.chart tbody tr + tr { border: 0 } .chart .label { width: 12.5rem } .chart .figure { width: 16.5rem; text-align: left }
.plot { padding: 0 .4rem } .plot svg { display: block; width: 100%; height: 1.3rem; overflow: visible }
.axis td { color: var(--quiet); font-size: .8rem } .ticks { position: relative; height: 1.1rem }
.ticks span { position: absolute; transform: translateX(-50%) }
svg * { vector-effect: non-scaling-stroke; fill: none; stroke: var(--baseline); stroke-width: 2 }
svg .grid { stroke: var(--line); stroke-width: 1 } svg .zero { stroke: var(--quiet); stroke-width: 1 }
svg .dot { stroke-width: 9; stroke-linecap: round } svg rect { fill: var(--ranker); stroke: none }
svg rect.second { fill: var(--baseline) }
svg .ranker { stroke: var(--ranker) } svg .good { stroke: var(--good) } svg .bad { stroke: var(--bad) }
svg .open { stroke: var(--open) }
td.good { color: var(--good) } td.bad { color: var(--bad) } td.open { color: var(--open) }
.curve { display: grid; grid-template-columns: 3.4rem 1fr; margin: .5rem 1.2rem 0 0 }
.curve svg { width: 100%; height: 14rem; overflow: visible } .levels { position: relative; color: var(--quiet);
  font-size: .8rem } .levels span { position: absolute; right: .6rem; transform: translateY(-50%) }
.curve .ticks { grid-column: 2; color: var(--quiet); font-size: .8rem } svg .stop { stroke-dasharray: 5 4 }
@media (max-width: 40rem) { .chart, .chart tbody { display: block } .chart thead { display: none }
  .chart tr { display: grid; grid-template-columns: 1fr; margin-bottom: .35rem } .chart .plot { padding: 0 .5rem }
  .chart th.label, .chart td.figure { width: auto; padding: 0 } .axis td:not(.plot) { display: none } }
"""


def text(value: object) -> str:
    """Return the value escaped for use between tags and in attributes."""
    return html.escape(str(value))


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page that begins with its title."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{_STYLE}</style>"
    )
    body = f"<h1>{text(title)}</h1>{''.join(parts)}"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'


def section(title: str, *parts: str, note: str = "") -> str:
    """Return a heading, a note on how to read the section, and the parts."""
    return f"<section><h2>{text(title)}</h2>{paragraph(note)}{''.join(parts)}</section>"


def paragraph(note: str) -> str:
    """Return a small paragraph; nothing for an empty text."""
    return f'<p class="note">{text(note)}</p>' if note else ""


def verdict(headline: str, points: Sequence[str], kind: str) -> str:
    """Return the box with the summary of the page.

    Args:
        kind: The colour: good, bad or open.
    """
    return f'<div class="verdict {kind}"><p>{text(headline)}</p>{bullets(points)}</div>'


def bullets(points: Sequence[str]) -> str:
    """Return a list; nothing for no points."""
    return f"<ul>{''.join(f'<li>{text(point)}</li>' for point in points)}</ul>" if points else ""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; one that is wider than the screen scrolls by itself."""
    top = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    lines = (
        f'<tr><th scope="row">{text(first)}</th>{"".join(f"<td>{text(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    whole = f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="wide" tabindex="0">{whole}</div>'


def folded(summary: str, *parts: str) -> str:
    """Return parts that unfold on a click on the summary."""
    return f"<details><summary>{text(summary)}</summary>{''.join(parts)}</details>"
