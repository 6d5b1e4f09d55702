"""Foreign text made fit for a mail: formulas readable, no control characters, no tricks with direction."""

import re
import unicodedata
from functools import lru_cache

from pylatexenc.latex2text import LatexNodes2Text

# Overrides and embeddings could turn the rest of a line around; isolates are ours to set.
_DIRECTION = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C))
_LATEX = re.compile(r"[\\$]")
# Longer texts with formulas are left as they are: a parser's time must not be an author's to choose.
_MAX_LATEX = 4_000
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"


@lru_cache(maxsize=10_000)
def readable(text: str) -> str:
    """One line: white space collapsed, LaTeX as text where it can be parsed, control and direction characters gone."""
    if len(text) <= _MAX_LATEX and _LATEX.search(text):
        text = _without_latex(text)
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = text.translate(_DIRECTION)
    kept = "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in text)
    return " ".join(kept.encode("utf-8", "ignore").decode("utf-8").split())


def shortened(text: str, limit: int) -> str:
    """At most ``limit`` characters, cut at a word's end where there is one, with an ellipsis."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    words = cut.rpartition(" ")[0]
    return (words if len(words) > limit // 2 else cut).rstrip(" ,;:.-") + "…"


def isolated(text: str) -> str:
    """For plain text: whatever its direction, the text around it keeps its own."""
    has_rtl = not text.isascii() and any(unicodedata.bidirectional(each) in {"R", "AL", "AN"} for each in text)
    return f"{_FIRST_STRONG_ISOLATE}{text}{_POP_ISOLATE}" if has_rtl else text


def authors_in_words(authors: tuple[str, ...], limit: int = 3) -> str:
    """The first few names; how many more there are."""
    names = [readable(name) for name in authors if name.strip()]
    if len(names) <= limit + 1:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def _without_latex(text: str) -> str:
    # A dollar sign that stands alone is money, not the start of a formula.
    if text.count("$") % 2:
        text = text.replace("$", r"\$")
    try:
        return str(LatexNodes2Text(math_mode="text", keep_comments=True).latex_to_text(text, tolerant_parsing=True))
    except Exception:  # noqa: BLE001 (whatever a parser makes of an author's text, the mail goes out)
        return text
