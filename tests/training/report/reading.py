"""Checks report pages as a browser would parse them."""

import re
from html.parser import HTMLParser

_FETCHING = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href", "formaction"}
_FORBIDDEN = {"script", "link", "iframe", "object", "embed", "img", "image", "use", "base", "form", "audio", "video"}
_WITHOUT_END = {"meta", "line", "rect", "polyline", "wbr"}


class _PageParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in _WITHOUT_END else [tag]
        self.found += [tag] if tag in _FORBIDDEN else []
        self.found += [name for name, _ in attrs if name in _FETCHING or name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _WITHOUT_END:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def check_self_contained(page: str) -> None:
    """Check that the page loads, runs and links to nothing, and that every element is closed in its place."""
    parser = _PageParser()
    parser.feed(page)
    parser.close()
    assert parser.found == []
    assert parser.open == []
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|expression", style)
    assert not re.search(r"https?:|//|javascript:", page)


def words_of(page: str) -> str:
    """Return the visible text of the page."""
    parser = _PageParser()
    parser.feed(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))
    return "".join(parser.words)
