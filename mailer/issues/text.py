"""Prepares text of papers for messages: converts LaTeX and removes control and direction characters."""

import re
import unicodedata
from functools import lru_cache

from pylatexenc.latex2text import LatexNodes2Text

# Direction overrides and embeddings in a title could reverse the rest of the line; ``isolated`` sets its own isolates.
_DIRECTION = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C))
_LATEX = re.compile(r"[\\$]")
# Longer texts are not parsed for LaTeX, which bounds the time that one text can take.
_MAX_LATEX = 4_000
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"


@lru_cache(maxsize=10_000)
def readable(text: str) -> str:
    """Return the text in one line, with LaTeX as plain text and without control and direction characters."""
    is_latex = len(text) <= _MAX_LATEX and _LATEX.search(text) is not None
    return in_one_line(_without_latex(text) if is_latex else text)


def in_one_line(text: str) -> str:
    """Return the text in one line, without control and direction characters. Backslashes are kept."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = text.translate(_DIRECTION)
    kept = "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in text)
    return " ".join(kept.encode("utf-8", "ignore").decode("utf-8").split())


def shortened(text: str, limit: int) -> str:
    """Return at most ``limit`` characters; a shortened text ends at a word, if possible, and with an ellipsis."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    words = cut.rpartition(" ")[0]
    return (words if len(words) > limit // 2 else cut).rstrip(" ,;:.-") + "…"


def isolated(text: str) -> str:
    """Return the text in direction isolates if it has right-to-left letters, so that text around it is unaffected."""
    has_rtl = not text.isascii() and any(unicodedata.bidirectional(each) in {"R", "AL", "AN"} for each in text)
    return f"{_FIRST_STRONG_ISOLATE}{text}{_POP_ISOLATE}" if has_rtl else text


def authors_in_words(authors: tuple[str, ...], limit: int = 3) -> str:
    """Return the first ``limit`` names and the number of further authors."""
    names = [readable(name) for name in authors if name.strip()]
    if len(names) <= limit + 1:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def _without_latex(text: str) -> str:
    # With an odd number of dollar signs, at least one is a currency sign.
    if text.count("$") % 2:
        text = text.replace("$", r"\$")
    try:
        return str(LatexNodes2Text(math_mode="text", keep_comments=True).latex_to_text(text, tolerant_parsing=True))
    except Exception:  # noqa: BLE001 (a text that cannot be parsed must not stop the message)
        return text
