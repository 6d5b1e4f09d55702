"""LaTeX in titles, names and abstracts as plain text."""

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from service.domain.errors import InvalidFile
from service.domain.papers import MAX_ABSTRACT_LENGTH
from service.ingest.third_party import third_party_parser

MAX_DEPTH = 30
"""Nested braces, brackets and environments in one text; the decoder is recursive, and Python limits recursion."""

_LATEX = re.compile(r"[\\{}$~]|--|``|''")
_NESTS = re.compile(r"(?<!\\)[{}\[\]]|\\(?:begin|end)\b")
# BibTeX takes these characters literally; the LaTeX decoder would read a comment, a column or a parameter.
_BARE_SPECIAL = re.compile(r"(?<!\\)([%&#])")
_BARE_DOLLAR = re.compile(r"(?<!\\)\$")
# LaTeX reads a macro \ia, but authors of libraries mean an accented i and an a.
_JOINED_I = re.compile(r"""\\(['`^"~=.])\\([ij])(?=[A-Za-z])""")
# Mendeley writes the line breaks of abstracts in this form.
_WRITTEN_BREAK = re.compile(r"\$\\backslash\$[nr]")
_FORMULA_START = re.compile(
    r"\\\((?P<round>.{1,1000}?)\\\)|\\\[(?P<square>.{1,1000}?)\\\]|\\.|\$\$(?P<double>[^$]{1,1000})\$\$|\$", re.DOTALL
)
_INLINE_FORMULA = re.compile(r"\$((?:\\.|[^$\\])+)\$(?!\d)", re.DOTALL)
_TEX_IN_FORMULA = re.compile(r"\\[A-Za-z]|[_^]")
_WORD_IN_FORMULA = re.compile(r"(?:^|\s)[^\W\d_]{2,}")
_DEGREE = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))")
_SCRIPT = re.compile(r"(?<!\\)[_^]")
_FONT_SWITCH = re.compile(r"\\(?:rm|bf|it|sl|sf|tt|sc|em|cal|frak|displaystyle|textstyle)(?![A-Za-z])\s*")
_GROUP = r"\{(?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.)*+\})*+\})*+\}"
# A part of a text that can be decoded by itself: a formula, a group, an accented letter, a macro with its arguments.
_PIECE = re.compile(
    rf"""\$(?:\\.|[^$\\])*+\$|{_GROUP}|\\[cHkbdruvt]\s++[A-Za-z]"""
    rf"""|\\['`^"~=.]\s*+(?:{_GROUP}|\\[A-Za-z]++\s*+|[A-Za-z])"""
    rf"""|\\[A-Za-z]++\*?+\s*+(?:\[[^\][{{}}\\]*+\])?+(?:{_GROUP})*+|\\.|~|---?|``|\'\'""",
    re.DOTALL,
)
_NO_PIECE = re.compile(r"[\\{}$]")
_BLOCK = re.compile(r"\\(?:begin|verb)(?![A-Za-z])")
_MAX_CACHED = 60
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (\w+)")
# Replacements that the library lacks, or has only for whole documents.
_MACROS = {
    "textless": "<", "textgreater": ">", "textbar": "|", "textquotedbl": '"', "textquotesingle": "'",
    "textunderscore": "_", "textbraceleft": "{", "textbraceright": "}", "textdollar": "$", "textslash": "/",
    "pounds": "£", "copyright": "©", "S": "§", "P": "¶", "dag": "†", "ddag": "‡", "degree": "°", "textdegree": "°",
    "textcelsius": "°C", "celsius": "°C", "textmu": "µ", "micro": "µ", "textasteriskcentered": "*", "textellipsis": "…",
    "slash": "/", "lq": "\u2018", "rq": "\u2019", "TeX": "TeX", "LaTeX": "LaTeX", "LaTeXe": "LaTeX2e",
    "BibTeX": "BibTeX", "XeTeX": "XeTeX", "url": "%s", "href": "%(2)s", "foreignlanguage": "%(2)s",
}  # fmt: skip
_ARGUMENTS = {"href": "{{", "foreignlanguage": "{{", "noopsort": "{", "thanks": "{", "index": "{"}
_DISCARDED = (
    *("noopsort", "thanks", "index", "footnote", "label", "color", "hphantom", "vphantom", "selectlanguage"),
    *("hypersetup", "cite", "citet", "citep", "ref", "autoref", "cref", "Cref", "eqref", "-"),
)


def latex_text(value: str) -> str:
    """Return LaTeX as plain text; formulas lose the marks of sub- and superscripts, as in text from HTML.

    Amounts in dollars are not formulas, and unknown macros lose only their names. If a text cannot be decoded, only its
    braces are removed. Files are never opened.
    """
    if len(value) > MAX_ABSTRACT_LENGTH or not _LATEX.search(value):
        return value
    if _depth(value) > MAX_DEPTH:
        return _without_braces(value)
    prepared = "".join(
        f"${_formula(piece)}$" if is_formula else _BARE_DOLLAR.sub(r"\\$", _prepared(piece))
        for piece, is_formula in _pieces(_WRITTEN_BREAK.sub(" ", value))
    )
    if _NO_PIECE.search(_PIECE.sub("", prepared)) or _BLOCK.search(prepared):
        return _decoded(prepared)
    return _PIECE.sub(lambda piece: (_cached if len(piece[0]) <= _MAX_CACHED else _decoded)(piece[0]), prepared)


def formula_text(value: str) -> str:
    """Return plain text in which only the formulas ($H_2$) are LaTeX, with the formulas as plain text."""
    if "$" not in value and "\\(" not in value:
        return value
    pieces = _pieces(value)
    return "".join(latex_text(f"${piece}$") if is_formula else piece for piece, is_formula in pieces)


def _pieces(value: str) -> Iterator[tuple[str, bool]]:
    """Return the parts of a text, each with whether it is a formula, which is then without its delimiters."""
    start = position = 0
    while match := _FORMULA_START.search(value, position):
        position = match.end()
        formula = match["round"] or match["square"] or match["double"]
        if match[0] == "$":
            inline = _INLINE_FORMULA.match(value, match.start())
            if inline and _is_formula(inline[1]):
                formula, position = inline[1], inline.end()
        if formula is not None:
            yield value[start : match.start()], False
            yield formula, True
            start = position
    yield value[start:], False


def _is_formula(text: str) -> bool:
    """Return whether the text between two dollar signs is a formula, not the text between two amounts."""
    if _TEX_IN_FORMULA.search(text):
        return True
    return text == text.strip() and not _WORD_IN_FORMULA.search(text)


def _formula(text: str) -> str:
    return _SCRIPT.sub("", _DEGREE.sub(r"{\\textdegree}", _FONT_SWITCH.sub("", _BARE_SPECIAL.sub(r"\\\1", text))))


def _prepared(text: str) -> str:
    return _JOINED_I.sub(r"\\\1{\\\2}", _BARE_SPECIAL.sub(r"\\\1", text))


def _without_braces(value: str) -> str:
    return value.replace("{", "").replace("}", "")


def _depth(value: str) -> int:
    """Return the nesting depth of braces, brackets and environments; more if they are not closed."""
    depth = deepest = 0
    for match in _NESTS.finditer(value):
        depth += 1 if match[0] in ("{", "[", r"\begin") else -1
        deepest = max(deepest, depth)
    return deepest


def _decoded(value: str) -> str:
    try:
        with third_party_parser("", "LaTeX", "pylatexenc"):
            decoder, macros = _decoder()
            return str(decoder.latex_to_text(value, latex_context=macros))
    except InvalidFile:
        return _without_braces(value)


# The decoder is slow, but the same accents and macros come again and again.
_cached = functools.lru_cache(maxsize=10_000)(_decoded)


@functools.cache
def _decoder() -> tuple[Any, Any]:
    """Return the decoder and the table of the macros' arguments."""
    # Cached: building the tables takes longer than decoding an abstract.
    from pylatexenc import latex2text, latexwalker
    from pylatexenc.macrospec import MacroSpec

    texts = latex2text.get_default_latex_context_db()
    texts.add_context_category(
        "symbols", macros=[latex2text.MacroTextSpec(*pair) for pair in _symbols().items()], prepend=False
    )
    own = [latex2text.MacroTextSpec(*pair) for pair in _MACROS.items()]
    discarded = [latex2text.MacroTextSpec(name, discard=True) for name in _DISCARDED]
    texts.add_context_category("own", macros=[*own, *discarded], prepend=True)
    texts.set_unknown_macro_spec(latex2text.MacroTextSpec("", discard=False))
    macros = latexwalker.get_default_latex_context_db()
    macros.add_context_category("own", macros=[MacroSpec(*pair) for pair in _ARGUMENTS.items()], prepend=True)
    return latex2text.LatexNodes2Text(latex_context=texts), macros


def _symbols() -> dict[str, str]:
    """Return characters by macro: the Greek letters of text fonts, and the encoder's tables reversed."""
    from pylatexenc.latexencode import get_builtin_conversion_rules

    symbols: dict[str, str] = {}
    for code in range(0x391, 0x3CA):
        if letter := _GREEK.fullmatch(unicodedata.name(chr(code), "")):
            name = "lambda" if letter[2] == "LAMDA" else letter[2].lower()
            symbols[f"text{name if letter[1] == 'SMALL' else name.capitalize()}"] = chr(code)
    for table in ("defaults", "unicode-xml"):
        for rule in get_builtin_conversion_rules(table):
            for code, latex in rule.rule.items():
                if macro := re.fullmatch(r"\\(?:ensuremath\{\\)?([A-Za-z]+)\}?", latex):
                    symbols.setdefault(macro[1], chr(code))
    return symbols
