"""Text of HTML, MathML and JATS, as feeds and exported libraries have it.

An HTML parser would lose text: abstracts mix markup with comparisons such as "p < 0.05" and "a<b and b>c", which a
parser takes for tags. So only tags of known names, closing tags, and tags with quoted attributes count as markup.
"""

import html
import re
from dataclasses import dataclass, field

MAX_LENGTH = 200_000
"""Characters of a text that are read. Some feeds carry whole articles; the longest abstract is much shorter."""
MARKED_OPENING = '<{} x="">'
"""An opening tag that counts as markup whatever its name is."""

# Each part ends at the next "<", so the search takes linear time.
_TAG = re.compile(
    r"<!--|<!\[CDATA\[|<[!?][^<>]{0,500}>|"
    r"<(?P<end>/?)(?P<name>[A-Za-z][\w:.-]*)"
    r"""(?P<attributes>(?:\s+[\w:.-]+(?:\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s<>"'=]+))?)*)\s*/?>""",
    re.ASCII,
)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INLINE = _names(
    "a abbr alternatives b big bold cite code del dfn em email ext-link font i inline-formula inline-graphic ins "
    "italic kbd mark monospace named-content nobr overline q roman s samp sans-serif sc small span strike strong "
    "styled-content sub sup tex-math tt u underline uri var wbr xref"
)
_BLOCK = _names(
    "abstract article aside blockquote boxed-text br caption center dd details disp-formula disp-quote div dl dt "
    "figcaption figure footer h1 h2 h3 h4 h5 h6 header hr iframe img li list-item nav ol p picture pre script sec "
    "section style svg table tbody td tfoot th thead title tr trans-abstract ul video"
)
_MATH = _names(
    "annotation annotation-xml maction math menclose merror mfenced mfrac mi mmultiscripts mn mo mover mpadded "
    "mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover "
    "semantics"
)
_PREFIXES = frozenset({"html", "jats", "m", "mathml", "mml", "xhtml"})
_SPACED_MATH = frozenset({"mspace", "mtd", "mtr"})
_WITHOUT_TEXT = frozenset({"annotation", "annotation-xml", "script", "style", "svg"})
_MATH_START = re.compile(r"<(?:\w{1,10}:)?math\b", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\xad\u200b\ufeff]")
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")


def text_blocks(text: str) -> list[str]:
    """Return the paragraphs of a text without markup and entities, each on one line and none of them empty.

    Markup that was escaped twice is removed too. A fraction is written with a slash; sub- and superscripts become
    ordinary characters. Only the first ``MAX_LENGTH`` characters are read.
    """
    blocks = [_INVISIBLE.sub("", _CONTROL.sub(" ", text[:MAX_LENGTH]))]
    for _ in range(2):
        blocks = [block for each in blocks for block in _without_markup(each)]
    return blocks


def _without_markup(text: str) -> list[str]:
    if "<" not in text and "&" not in text:
        return [line] if (line := " ".join(text.split())) else []
    reader, position = _Reader(has_math=_MATH_START.search(text) is not None), 0
    start, last_comment = 0, text.rfind("-->")
    while tag := _TAG.search(text, start):
        start = tag.end()
        if tag["name"] and not _is_markup(tag):
            continue
        if tag[0] == "<!--" and last_comment < start:  # a comment without an end
            continue
        reader.text(text[position : tag.start()])
        position = start = text.find("-->", start) + len("-->") if tag[0] == "<!--" else start
        if tag["name"]:
            reader.tag(_local(tag["name"]), is_end=bool(tag["end"]), is_closed=tag[0].endswith("/>"))
    reader.text(text[position:])
    lines = (_INVISIBLE.sub("", _CONTROL.sub(" ", part)) for part in "".join(reader.parts).split("\n"))
    return [line for part in lines if (line := " ".join(part.split()))]


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _is_markup(tag: re.Match[str]) -> bool:
    attributes = tag["attributes"]
    if tag["end"] or '"' in attributes or "'" in attributes:
        return True
    prefix, _, name = tag["name"].lower().rpartition(":")
    is_known = prefix in _PREFIXES or (not prefix and (name in _INLINE or name in _BLOCK or name in _MATH))
    # "<b and b>" is a comparison: its words have no values.
    return is_known and attributes.count("=") == len(attributes.split())


@dataclass
class _Reader:
    """Collects text between tags. A line feed in ``parts`` separates blocks.

    Attributes:
        has_math: Whether the text has MathML, so that the same formula in TeX is left out.
        hidden: Name of the open element whose text is left out; empty if there is none.
        in_tex: Whether a formula in TeX is open.
        open_math: Names of the open MathML elements.
        child_counts: Number of children so far of each of them.
    """

    has_math: bool
    parts: list[str] = field(default_factory=list)
    hidden: str = ""
    in_tex: bool = False
    open_math: list[str] = field(default_factory=list)
    child_counts: list[int] = field(default_factory=list)

    def text(self, text: str) -> None:
        if self.hidden or not text:
            return
        if self.in_tex:
            text = text.rpartition(r"\begin{document}")[2].partition(r"\end{document}")[0]
        text = html.unescape(text).replace("\n", " ").replace("\r", " ")
        if self.open_math and self.open_math[-1] != "mtext":
            text = text.strip()
        self.parts.append(text)

    def tag(self, name: str, *, is_end: bool, is_closed: bool) -> None:
        if self.hidden:
            self.hidden = "" if is_end and name == self.hidden else self.hidden
        elif not is_end and not is_closed and (name in _WITHOUT_TEXT or (name == "tex-math" and self.has_math)):
            self.hidden = name
        elif name == "tex-math":
            self.in_tex = not is_end and not is_closed
        elif name in _MATH:
            self._math(name, is_end=is_end, is_closed=is_closed)
        elif name not in _INLINE and not self.open_math:
            self.parts.append("\n")

    def _math(self, name: str, *, is_end: bool, is_closed: bool) -> None:
        if is_end:
            if name == "math":
                self.open_math.clear()
                self.child_counts.clear()
            elif self.open_math and self.open_math[-1] == name:
                self.open_math.pop()
                self.child_counts.pop()
            return
        if self.open_math:
            if self.open_math[-1] == "mfrac" and self.child_counts[-1] == 1:
                self.parts.append("/")
            self.child_counts[-1] += 1
        if name in _SPACED_MATH:
            self.parts.append(" ")
        if name == "msqrt":
            self.parts.append("√")
        if not is_closed:
            self.open_math.append(name)
            self.child_counts.append(0)
