"""Renders the templates of messages as text and HTML. The HTML templates escape all values."""

import textwrap
from functools import cache
from importlib.resources import files
from typing import Any

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

WIDTH = 76


def render_html(template: str, **facts: Any) -> str:
    """Return a page with inlined styles, because many mail clients drop style sheets; media queries stay in a sheet."""
    page = _environment().get_template(template).render(style=_sheet("mail.css"), dark=_sheet("dark.css"), **facts)
    return str(_inliner().inline(page))


def render_text(template: str, **facts: Any) -> str:
    """Return plain text; consecutive empty lines become one."""
    lines = [
        line.rstrip() if line != "-- " else line
        for line in _environment().get_template(template).render(**facts).split("\n")
    ]
    kept = [line for before, line in zip(["", *lines], lines, strict=False) if line or before]
    return "\n".join(kept).strip() + "\n"


def wrapped(text: str, indent: str = "") -> str:
    """Return the text in lines of at most 76 characters; longer words, such as addresses, stay whole."""
    if len(indent) + len(text) <= WIDTH and "\n" not in text:
        return indent + text
    return textwrap.fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mailer"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrapped"] = wrapped
    return environment


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)


@cache
def _sheet(name: str) -> Markup:
    # A file of this package, so it needs no escaping.
    return Markup((files("mailer") / "templates" / name).read_text(encoding="utf-8"))  # noqa: S704
