r"""The blocks of a BibTeX file: entries with their fields as written, and entries that cannot be read.

Written by hand, because parsers of BibTeX stop at the first fault of an entry or lose the entries after it. An entry is
tried in three ways: with all braces counted, as BibTeX does; without the braces after a backslash, which some exports
leave unbalanced; and, if neither reaches the end of the entry, line by line. An entry ends at the latest where the next
one begins. Every way takes time proportional to the length of the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeAlias

from service.domain.errors import InvalidFile

Value: TypeAlias = list[tuple[str, bool]]
"""Parts of a value that ``#`` joins; True marks the name of a string, or a number."""

# Lines that begin with a percent sign, or with @comment and no brace, are comments. BibTeX itself would read entries
# in them.
_BLOCK = re.compile(
    r"^[^\S\n]*+(?:%|@comment\b(?![^\S\n]*+[{(]))[^\n]*+|@[^\S\n]*+(?P<type>[A-Za-z][\w+-]*+)\s*+(?P<opening>[{(])",
    re.MULTILINE | re.IGNORECASE,
)
_NAME = r"""[^\s"#%,;={}()]++"""
_CLASSIC_TYPES = {
    *("article", "book", "booklet", "conference", "inbook", "incollection", "inproceedings", "manual", "mastersthesis"),
    *("misc", "phdthesis", "proceedings", "techreport", "unpublished", "collection", "dataset", "electronic", "online"),
    *("patent", "periodical", "report", "software", "thesis", "www"),
}
_KEY_OR_FIELD = r"""(?:\{\s*+[^,={}"\n]*+[,=]|\(\s*+[^\s,={}()"]*+\s*+[,=])"""
_LIKE_AN_ENTRY = re.compile(_KEY_OR_FIELD)
_NEXT_ENTRY = re.compile(
    rf"""(?:^|(?<=[}})]))[^\S\n]*+@[^\S\n]*+(?:[A-Za-z][\w+-]*+\s*+(?={_KEY_OR_FIELD})|
    (?:{"|".join(sorted(_CLASSIC_TYPES))})\s*+\{{\s*+[^\s,={{}}"]*+[^\S\n]*+(?:\}}|\n))""".replace("\n    ", ""),
    re.MULTILINE | re.IGNORECASE,
)
_GAP = re.compile(r"(?:\s++|%[^\n]*+)*+")
_GAP_AND_COMMAS = re.compile(r"(?:[\s,;]++|%[^\n]*+)*+")
_KEY = re.compile(r"""\s*+((?:[^\s,={}"]++(?:[^\S\n]++(?=[^\s,={}"]))?+)*+)\s*+""")
_ODD_KEY = re.compile(r"\s*+([^,\n]*+),")
_FIELD = re.compile(rf"({_NAME}(?:[^\S\n]++{_NAME})*+)\s*+=\s*+")
_BARE = re.compile(r"""[^\s,#{}"=]++(?:[^\S\n]++[^\s,#{}"=]++)*+""")
_BRACE = re.compile(r"[{}]")
_BRACE_OR_ESCAPE = re.compile(r"[{}]|\\.", re.DOTALL)
_DELIMITER = re.compile(r"""[{}()"]""")
_QUOTE_OR_BRACE = re.compile(r'[{}"]')
_QUOTE_OR_BRACE_OR_ESCAPE = re.compile(r'[{}"]|\\.', re.DOTALL)
# Where a field begins for certain: at the start of a line, or after the comma behind a closed value.
_LOOSE_FIELD = re.compile(
    rf"""(?:^[^\S\n]*+,?+[^\S\n]*+|(?<=[}}"\d],)[^\S\n]*+)({_NAME})[^\S\n]*+=\s*+(?=[{{"]|[\w.-]++\s*+(?:[,#}})]|\n|\Z))""",
    re.MULTILINE,
)
_END_OF_ENTRY = re.compile(r"""(?<=[}"])\s*[})][^\S\n]*(?:\n|\Z)|\n[^\S\n]*[})]""")
_ENDS_EARLY = re.compile(rf"""[^\S\n]*+[^\s@%][^\n@]*?(?:,\s*+|\n\s*+)(?:{_NAME})\s*+=\s*+["{{\w]""")
_ENDS_ENTRY = re.compile(r"""[}"]\s*[})]\s*\Z|\n\s*[})]\s*\Z""")
_STYLE_SHEET = {"media", "font-face", "import", "keyframes", "charset", "page", "supports"}
MAX_PROBLEMS = 10
"""Problems of one block that are named."""


@dataclass(slots=True)
class Block:
    """An entry, or a definition of strings (``type`` is ``string``).

    Attributes:
        type: In lower case.
        fields: Values by name in lower case. If a field is repeated, its first value.
        problems: What is wrong in the block, although its fields could be read.
        failure: Why the block cannot be read; empty if it can.
    """

    type: str
    key: str
    line: int
    fields: dict[str, Value] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    failure: str = ""


def bibtex_blocks(text: str, source: str) -> Iterator[Block]:
    """Return the blocks in the file's order, without comments, preambles and the text between blocks.

    Raises:
        InvalidFile: While iterating: the file ends inside a block, as if it was cut off.
    """
    position = line_at = 0
    line, next_entry, is_comment_open = 1, -1, False
    while match := _BLOCK.search(text, position):
        position = match.end()
        kind = (match["type"] or "").lower()
        opening = position - 1
        if not kind or kind in _STYLE_SHEET:
            continue
        if kind in ("comment", "preamble"):
            end = None if is_comment_open else _closing(text, opening, len(text), _BRACE)
            # After one comment without an end, later comments are not searched either, which keeps the time linear.
            is_comment_open = is_comment_open or end is None
            position = end or text.find("\n", position) % (len(text) + 1)
            continue
        if kind not in _CLASSIC_TYPES and kind != "string" and not _LIKE_AN_ENTRY.match(text, opening):
            continue
        line, line_at = line + text.count("\n", line_at, match.start()), match.start()
        if next_entry < position:
            found = _NEXT_ENTRY.search(text, position)
            next_entry = found.start() if found else len(text)
        block = Block(kind, "", line)
        position = _Reader(text, opening, next_entry, block, source).read()
        yield block


class _Unreadable(Exception):
    """The current way of reading (see above) cannot find the end of the block.

    Attributes:
        is_cut_off: Whether the block has no fault except that its end is missing.
        is_open: Whether a value has no end.
    """

    def __init__(self, problem: str, *, is_cut_off: bool = False, is_open: bool = False) -> None:
        super().__init__(problem)
        self.is_cut_off = is_cut_off
        self.is_open = is_open


@dataclass(slots=True)
class _Reader:
    """Reads the block whose opening brace or parenthesis is at ``opening``, and which ends before ``limit``."""

    text: str
    opening: int
    limit: int
    block: Block
    source: str

    def read(self) -> int:
        """Fill the block and return the position after it."""
        failures: list[_Unreadable] = []
        for skips_escaped in (False, True):
            self.block.fields, self.block.problems = {}, []
            try:
                return self._checked_end(self._fields(self._key(), skips_escaped=skips_escaped))
            except _Unreadable as error:
                failures.append(error)
        strict_count = len(self.block.fields)
        self.block.fields, end = self._loose_fields()
        if self.limit == len(self.text) and self._is_cut_off(failures[0], len(self.block.fields) > strict_count):
            name = f" {self.block.key[:100]}" if self.block.key else ""
            problem = f"the file ends inside the BibTeX entry{name} that begins here; is it cut off?"
            raise InvalidFile(self.source, problem, line=self.block.line)
        self.block.problems = [str(failures[0])]
        if not self.block.fields:
            self.block.failure = str(failures[0])
        return end

    def _is_cut_off(self, failure: _Unreadable, has_more_fields: bool) -> bool:  # noqa: FBT001 - private
        """Return whether the file's last block was cut off. A block with a wrong brace still ends like an entry."""
        if not (failure.is_open or failure.is_cut_off):
            return False
        ends_like_one = _ENDS_ENTRY.search(self.text, max(0, self.limit - 1000))
        return not (ends_like_one and (failure.is_open or has_more_fields))

    def _checked_end(self, end: int) -> int:
        """Return the end of the block. If more fields follow in its line, an extra brace is the fault."""
        if _ENDS_EARLY.match(self.text, end, self.limit):
            raise _Unreadable(f"it ends too early, with a brace too many (line {self._line(end)})")
        return end

    def _line(self, position: int) -> int:
        return self.block.line + self.text.count("\n", self.opening, position)

    def _key(self) -> int:
        """Read the key and return the position after it."""
        position = self.opening + 1
        if self.block.type == "string":
            return position
        match = _KEY.match(self.text, position, self.limit)
        following = self.text[match.end() : match.end() + 1] if match else ""
        words = match[1].split() if match else []
        if match and following == "=" and len(words) == 1 and re.fullmatch(r"[A-Za-z][\w-]*", words[0]):
            self.block.problems.append("it has no key")
            return position
        if match and following == "=" and len(words) > 1:
            self.block.key = " ".join(words[:-1])
            position = self.text.rindex(words[-1], position, match.end())
        elif match and (following in (",", "}", ")", "") or _FIELD.match(self.text, match.end(), self.limit)):
            self.block.key, position = match[1].strip(), match.end()
        elif odd := _ODD_KEY.match(self.text, position, self.limit):
            self.block.key, position = odd[1].strip(), odd.end()
        if field_after := _FIELD.match(self.text, position, self.limit):
            self._note_comma(field_after)
        return position

    def _note_comma(self, before: re.Match[str]) -> None:
        if self.text[before.start() - 1] != "," and len(self.block.problems) < MAX_PROBLEMS:
            line = self._line(before.start())
            self.block.problems.append(f"a comma is missing before {before[1][:60]} (line {line})")

    def _fields(self, position: int, *, skips_escaped: bool) -> int:
        closing = "}" if self.text[self.opening] == "{" else ")"
        while True:
            position = _GAP_AND_COMMAS.match(self.text, position, self.limit).end()  # type: ignore[union-attr]
            if position >= self.limit:
                raise _Unreadable("its closing brace is missing", is_cut_off=True)
            if self.text[position] == closing:
                return position + 1
            match = _FIELD.match(self.text, position, self.limit)
            if not match:
                shown = " ".join(self.text[position : min(position + 30, self.limit)].split())
                is_begun = not _DELIMITER.search(self.text, position, self.limit)
                raise _Unreadable(f"'{shown}' is no field (line {self._line(position)})", is_cut_off=is_begun)
            value, position = self._value(match, closing, skips_escaped=skips_escaped)
            self.block.fields.setdefault(match[1].lower(), value)
            after = _GAP.match(self.text, position, self.limit).end()  # type: ignore[union-attr]
            if after < self.limit and self.text[after] not in (",", ";", closing):
                following = _FIELD.match(self.text, after, self.limit)
                if not following:
                    raise _Unreadable(f"the value of {match[1][:60]} ends too early (line {self._line(after)})")
                self._note_comma(following)
                position = after

    def _value(self, name: re.Match[str], closing: str, *, skips_escaped: bool) -> tuple[Value, int]:
        """Return the value after ``name =`` and the position after it."""
        parts: Value = []
        position = name.end()
        while True:
            start = self.text[position : position + 1] if position < self.limit else ""
            if start == "{":
                end = _closing(self.text, position, self.limit, _BRACE_OR_ESCAPE if skips_escaped else _BRACE)
            elif start == '"':
                end = _closing_quote(self.text, position, self.limit, skips_escaped=skips_escaped)
            elif bare := _BARE.match(self.text, position, self.limit):
                word = bare[0].partition(")")[0].rstrip() if closing == ")" else bare[0]
                parts.append((word, True))
                end = position + len(word)
            else:
                end = position  # no value at all
            if end is None:
                raise _Unreadable(f"the value of {name[1][:60]} has no end (line {self._line(position)})", is_open=True)
            if start in ("{", '"'):
                parts.append((self.text[position + 1 : end - 1], False))
            position = end
            joined = _GAP.match(self.text, position, self.limit).end()  # type: ignore[union-attr]
            if not self.text.startswith("#", joined, self.limit):
                return parts, position
            position = _GAP.match(self.text, joined + 1, self.limit).end()  # type: ignore[union-attr]

    def _loose_fields(self) -> tuple[dict[str, Value], int]:
        """Return the fields of a block with unbalanced braces or quotes, and its end.

        Each value ends where the next field begins.
        """
        start = self._key()
        first = _FIELD.match(self.text, _GAP_AND_COMMAS.match(self.text, start, self.limit).end(), self.limit)  # type: ignore[union-attr]
        found = _END_OF_ENTRY.search(self.text, first.end() if first else start, self.limit)
        end = found.start() if found else self.limit
        heads = [first] if first else []
        heads += _LOOSE_FIELD.finditer(self.text, first.end() if first else start, end)
        fields: dict[str, Value] = {}
        for head, following in zip_longest(heads, heads[1:]):
            written = self.text[head.end() : following.start() if following else end].strip(",; \t\n")
            is_bare = written[:1] not in ("{", '"')
            fields.setdefault(head[1].lower(), [(written if is_bare else _unwrapped(written), is_bare)])
        return fields, found.end() if found else self.limit


def _unwrapped(written: str) -> str:
    """Return a value without its first and last delimiter; one of them may be missing or of the other kind."""
    inner = written[1:]
    if written[0] == '"' or (inner.count('"') == 1 and inner.endswith('"')):
        return inner.removesuffix('"')
    return inner.removesuffix("}") if written.count("{") <= written.count("}") else inner


def _closing(text: str, start: int, limit: int, pattern: re.Pattern[str]) -> int | None:
    """Return the position after the brace or parenthesis that closes the one at ``start``; None if there is none."""
    if text[start] == "(":
        end = text.find(")", start, limit)
        return None if end < 0 else end + 1
    depth = 0
    for match in pattern.finditer(text, start, limit):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.end()
    return None


def _closing_quote(text: str, start: int, limit: int, *, skips_escaped: bool) -> int | None:
    """Return the position after the quote that closes the one at ``start``; None if there is none."""
    pattern = _QUOTE_OR_BRACE_OR_ESCAPE if skips_escaped else _QUOTE_OR_BRACE
    depth = 0
    for match in pattern.finditer(text, start + 1, limit):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
        elif match[0] == '"' and depth <= 0:
            return match.end()
    return None
