"""Self-contained HTML: the frame of a page, its style, tables and lists. All texts are escaped here."""

import html
from collections.abc import Iterable, Sequence
from importlib.resources import files

_STYLE = (files("training.report") / "page.css").read_text(encoding="utf-8")


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
