"""Renders the templates of the web pages."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from mailer.issues.text import authors_in_words, readable, shortened


def page(template: str, status: int = 200, **facts: Any) -> HTMLResponse:
    """Return the rendered page; the template escapes all values."""
    return HTMLResponse(_environment().get_template(template).render(**facts), status_code=status)


def message_page(title: str, text: str, *, sender: str, status: int = 200) -> HTMLResponse:
    """Return a page that shows a title and a sentence."""
    return page("message.html.jinja", status, title=title, text=text, sender=sender)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mailer", "templates/web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"readable": readable, "shortened": shortened, "authors": authors_in_words}
    return environment
