"""Renders the templates of messages and web pages. The HTML templates escape all values."""

import textwrap
from functools import cache
from importlib.resources import files
from typing import Any

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mailer.issues.text import authors_in_words, readable, shortened

WIDTH = 76


def render(template: str, **facts: Any) -> str:
    """Return the rendered template, a path below ``templates`` without the ending ``.jinja``."""
    return _environment().get_template(f"{template}.jinja").render(**facts)


def render_mail(template: str, **facts: Any) -> str:
    """Return HTML with inlined styles, because many mail clients drop style sheets; media queries stay in a sheet."""
    return str(_inliner().inline(render(template, style=_sheet("mail.css"), dark=_sheet("dark.css"), **facts)))


def render_text(template: str, **facts: Any) -> str:
    """Return plain text; consecutive empty lines become one."""
    lines = [line.rstrip() if line != "-- " else line for line in render(template, **facts).split("\n")]
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
    environment.filters |= {"wrapped": wrapped, "readable": readable, "shortened": shortened}
    environment.filters["authors"] = authors_in_words
    return environment


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)


@cache
def _sheet(name: str) -> Markup:
    # A file of this package, so it needs no escaping.
    return Markup((files("mailer") / "templates" / name).read_text(encoding="utf-8"))  # noqa: S704
