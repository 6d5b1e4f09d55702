"""Markdown lists of papers with titles and links, as many repositories publish them every day.

An entry is a list item or a heading with a link to a paper. Its title is the text of the link, the bold text, or the
text before the link. A nested list or the paragraphs up to the next entry may have authors and an abstract.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.domain.errors import InvalidFile
from service.domain.identifiers import arxiv_id, derived_paper_id, doi
from service.domain.papers import MAX_ABSTRACT_LENGTH, MAX_TITLE_LENGTH, Paper
from service.ingest.digests.names import are_names, author_names
from service.ingest.papers import one_line, plain_text, short_name, valid_paper, web_address
from service.ingest.problems import Problem
from service.ingest.third_party import third_party_parser

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_LENGTH = 1_000_000
"""Characters; the longest lists of a day have a fifth of this, and markdown-it takes seconds for each million."""
MIN_ABSTRACT_LENGTH = 80
_LINKED_ITEM = re.compile(r"^\s{0,8}(?:[-*+]|\d{1,4}[.)]|#{1,6})\s.*\]\(\s*<?https?://", re.MULTILINE)
_TABLE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*\|[\s|:-]*$", re.MULTILINE)
_PAPER_HOST = re.compile(
    r"https?://(?:www\.)?(?:openreview\.net|aclanthology\.org|proceedings\.|papers\.nips\.cc|openaccess\.thecvf\.com|"
    r"biorxiv\.org|medrxiv\.org|huggingface\.co/papers|alphaxiv\.org|semanticscholar\.org|dl\.acm\.org|"
    r"ieeexplore\.ieee\.org|nature\.com|science\.org|hal\.science|ssrn\.com|papers\.ssrn\.com)",
    re.IGNORECASE,
)
# Texts of links that name what is behind them, not the paper.
_LABEL = re.compile(
    r"\W*(?:arxiv|paper|papers|pdf|html|abs|abstract|link|url|doi|code|github|project|project page|page|website|web|"
    r"demo|video|slides|data|dataset|model|models|huggingface|hugging face|hf|read more|more|here|blog|poster|"
    r"openreview|supp|supplementary|bibtex|cite|tweet|📄|🔗|\d{4}\.\d{4,5}(?:v\d+)?|arxiv:\S+|10\.\d{4,9}/\S+|https?://\S+)?\W*",
    re.IGNORECASE,
)
_DAY = re.compile(r"^\W*(?:\d{4}[-./]\d{1,2}(?:[-./]\d{1,2})?|\d{1,2}[-./]\d{1,2}[-./]\d{4})(?:\W+|$)")
_NUMBER = re.compile(r"^\d{1,3}[.)] +")
_LEAD = re.compile(r"^\W*(?:title|paper)\s*:\s*", re.IGNORECASE)
_TAIL = re.compile(r"(?:\s*\(?\s*read more on\s*|[\s\[({|:,\u2013\u2014-])+$", re.IGNORECASE)
_FIELD = re.compile(r"^\W*(?P<name>authors?|abstract|summary|tl;?dr|[\w ]{1,20})\W*:\W*(?P<value>.*)$", re.IGNORECASE)
_ABSTRACTS = {"abstract", "summary", "tl;dr", "tldr"}


@dataclass
class _Line:
    """A heading, or one paragraph of an item or of the page.

    Attributes:
        depth: Number of lists that it is in; 0 for a heading and a paragraph of the page.
        starts_item: Whether it is the first line of a list item.
        links: (text, address) of each link to the web.
        strong: First bold text.
        before: Lines of the text before the first link, without names in italics.
        after: Lines of the text after the first link, and names in italics.
    """

    line: int
    depth: int
    is_heading: bool = False
    starts_item: bool = False
    links: list[tuple[str, str]] = field(default_factory=list)
    strong: str = ""
    before: str = ""
    after: list[str] = field(default_factory=list)

    @property
    def papers(self) -> list[tuple[str, str]]:
        return [(text, address) for text, address in self.links if is_paper_address(address)]

    @property
    def title(self) -> str:
        """The title of the paper that the line links to; empty if it links to none."""
        named = [text for text, _ in self.papers or self.links if not _LABEL.fullmatch(text)]
        if named:
            return _NUMBER.sub("", _LEAD.sub("", named[0]))
        if not self.links or re.search(r":\W*$", self.before):  # "Link: [arXiv](...)" belongs to the paper above
            return ""
        candidates = (_DAY.sub("", text) for text in (self.strong, *self.before.split("\n")[:1], *self.after[:1]))
        found = (_TAIL.sub("", _LEAD.sub("", text)).strip(" ]):,\u2013\u2014") for text in candidates)
        return next((text for text in found if not _LABEL.fullmatch(text)), "")


@dataclass
class _Item:
    """An entry: the line with its title, and the lines that follow."""

    first: _Line
    title: str
    links: list[tuple[str, str]]
    blocks: list[str]

    @property
    def has_paper(self) -> bool:
        return any(is_paper_address(address) for _, address in self.links)


def is_paper_address(address: str) -> bool:
    """Return whether an address leads to a paper on arXiv, a DOI or another known host of papers."""
    name = short_name(address)
    return bool(arxiv_id(name) or doi(name) or _PAPER_HOST.match(name))


def looks_like_markdown(text: str) -> bool:
    """Return whether a text is a Markdown list with links."""
    return _LINKED_ITEM.search(text[:MAX_LENGTH]) is not None


def has_table(text: str) -> bool:
    """Return whether a text has a Markdown table."""
    return _TABLE.search(text[:MAX_LENGTH]) is not None


def parse_markdown_list(text: str, source: str) -> tuple[tuple[Paper, ...], tuple[Problem, ...]]:
    """Return the papers in the list's order, each once, and the entries that were left out.

    If an entry links to arXiv, a DOI or a known host of papers, entries without such a link are left out.

    Raises:
        InvalidFile: The file is too large, or no entry is a paper.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidFile(source, f"has more than {MAX_LENGTH:,} characters")
    with third_party_parser(source, "Markdown", "markdown_it"):
        from markdown_it import MarkdownIt

        lines = list(_lines(MarkdownIt("commonmark").parse(text)))
    items = [item for item in _items(lines) if item.links]
    if any(item.has_paper for item in items):
        items = [item for item in items if item.has_paper]
    else:  # only the form distinguishes titles from the links of any other page
        items = [item for item in items if item.first.starts_item and len(item.title.split()) >= 3]
    papers: dict[str, Paper] = {}
    places: dict[str, int] = {}
    skipped: list[Problem] = []
    for item in items:
        paper = _paper(item)
        problem = f"repeats the paper of line {places[paper.paper_id]}" if paper.paper_id in places else ""
        if not problem:
            try:
                papers[paper.paper_id] = valid_paper(paper, source)
                places[paper.paper_id] = item.first.line
            except InvalidFile as error:
                problem = error.problem
        if problem:
            skipped.append(Problem(item.first.line, paper.title[:60], problem))
    if not papers:
        raise InvalidFile(source, "is Markdown, but has no list of papers with titles and links")
    return tuple(papers.values()), tuple(skipped)


def _lines(tokens: "Sequence[Token]") -> Iterator[_Line]:
    depth, is_heading, starts_item = 0, False, False
    for token in tokens:
        depth += {"list_item_open": 1, "list_item_close": -1}.get(token.type, 0)
        is_heading = token.type == "heading_open" or (is_heading and token.type != "heading_close")
        starts_item = starts_item or token.type == "list_item_open"
        start = token.map[0] + 1 if token.map else 0
        if token.type == "inline":
            inline = _Inline(_Line(start, depth, is_heading, starts_item))
            for part in token.children or ():
                inline.add(part)
            yield inline.read()
            starts_item = False
        elif token.type == "html_block":
            yield _Line(start, depth, before=plain_text(token.content))


class _Inline:
    """Reads the texts and links of a line from its parts."""

    def __init__(self, line: _Line) -> None:
        self.line = line
        self.address = ""
        self.open: dict[str, str] = {}
        self.after = ""

    def add(self, part: "Token") -> None:
        kind, _, end = part.type.rpartition("_")
        if end == "open":
            self.open[kind] = ""
            self.address = web_address(str(part.attrs.get("href", ""))) if kind == "link" else self.address
        elif end == "close":
            self.close(kind, one_line(self.open.pop(kind, "")))
        else:
            self.text("\n" if part.type in {"softbreak", "hardbreak", "html_inline"} else part.content)

    def close(self, kind: str, text: str) -> None:
        if kind == "link" and self.address:
            self.line.links.append((text, self.address))
        elif kind == "strong":
            self.line.strong = self.line.strong or text
        elif kind == "em" and are_names(text):
            self.line.before = self.line.before.removesuffix(text)
            self.line.after.append(text)

    def text(self, text: str) -> None:
        for kind in self.open:
            self.open[kind] += text
        if "link" not in self.open:
            if self.line.links:
                self.after += text
            else:
                self.line.before += text

    def read(self) -> _Line:
        self.line.before = "\n".join(map(one_line, self.line.before.split("\n"))).strip()
        self.line.after += [text for each in self.after.split("\n") if (text := plain_text(each))]
        return self.line


def _items(lines: "Sequence[_Line]") -> Iterator[_Item]:
    """Yield the entries, also those without a link."""
    item: _Item | None = None
    for line in lines:
        title = line.title
        if item is not None and _is_detail(line, title, item):
            item.links.extend(line.links)
            item.blocks.extend(text for text in (*line.before.split("\n"), *line.after) if text)
            continue
        if item is not None:
            yield item
        if title:
            item = _Item(line, title, list(line.links), list(line.after))
        elif (line.is_heading or line.starts_item) and len(line.before.split()) >= 3:
            # The title of a paper, if its link follows below.
            item = _Item(line, _NUMBER.sub("", _DAY.sub("", line.before.split("\n")[0])), [], list(line.after))
        else:
            item = None
    if item is not None:
        yield item


def _is_detail(line: _Line, title: str, item: _Item) -> bool:
    """Return whether a line gives details of the paper of an earlier entry."""
    first = item.first
    if line.is_heading or line.depth < first.depth:
        return False
    if line.depth == first.depth:
        return not line.starts_item and (first.depth > 0 or first.is_heading or not title)
    # A heading that is not a paper, or an item without a link, may have a list of papers below it.
    return not title or item.has_paper or not (first.is_heading or not item.links)


def _paper(item: _Item) -> Paper:
    addresses = [address for _, address in item.links]
    address = next((each for each in addresses if is_paper_address(each)), addresses[0])
    title, authors, abstract = item.title, "", ""
    head, _, rest = title.partition(". ")
    if rest and are_names(rest.strip(" .")):
        title, authors = head, rest.strip(" .")
    for block in item.blocks:
        named = _FIELD.match(block)
        if named and named["name"].lower() in {"author", "authors"}:
            authors = authors or named["value"]
        elif named and named["name"].lower() in _ABSTRACTS:
            abstract = named["value"]
        elif not block.endswith(":") and are_names(block.strip(" .-\u2013\u2014:")):
            authors = authors or block.strip(" .-\u2013\u2014:")
        elif len(block) >= MIN_ABSTRACT_LENGTH > len(abstract):
            abstract = block
    found = arxiv_id(address)
    return Paper(
        paper_id=derived_paper_id(title, address),
        title=title[:MAX_TITLE_LENGTH],
        abstract=abstract.lstrip("-\u2013\u2014:*> ")[:MAX_ABSTRACT_LENGTH],
        authors=author_names((authors,)),
        url=f"https://arxiv.org/abs/{found}" if found else address,
    )
