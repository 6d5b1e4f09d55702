"""What a server's refusal of a recipient is about: the mailbox, the sender, or neither of them for sure.

Reply codes are RFC 5321's, enhanced ones RFC 3463's. Many servers give one code to several causes, so words count too.
"""

import re

_ENHANCED = re.compile(r"(?<![\d.])[45]\.(\d{1,3}\.\d{1,3})(?!\.?\d)")

NO_MAILBOX = frozenset({"5.1.1", "5.1.2", "5.1.6", "5.1.10"})
"""Not there, its domain not there, moved away, its domain takes no mail. Not 1.0, 1.3 and 1.4, which say less."""
_NO_MAILBOX_WORDS = re.compile(
    r"\b(no such|unknown|invalid|non-?existent) (local )?(user|mailbox|recipient|account)\b"
    r"|\b(user|mailbox|recipient|account)\b[^.;]{0,40}\b(unknown|not found|does not exist|doesn't exist)\b",
    re.IGNORECASE,
)

_UNWANTED = {"1.7", "1.8", "7.8", "7.9", "7.10", "7.11", "7.14", "7.54", "7.57", "7.60", "7.64"}
"""The sender's address or domain, and log-in or encryption that is missing; those above 50 are Exchange's own."""
_UNWANTED_REPLIES = {454, 502, 503, 504, 530, 534, 535, 538}
"""No log-in, or commands that the server did not expect."""
_UNWANTED_WORDS = re.compile(
    r"\brelay(?! recipient table)|rcpthosts|authenticat|\bauth\b|\blog-? ?in\b|\bsender\b|\bclient host\b",
    re.IGNORECASE,
)


def means_no_mailbox(code: int, words: str) -> bool:
    """Whether a lasting refusal says that there is no such mailbox; a bare 550 or 553 only where its words say so."""
    enhanced = _enhanced(words)
    if code < 500 or f"5.{enhanced}" in NO_MAILBOX:
        return code >= 500
    if enhanced in {"", "0.0", "1.0"}:
        return code == 551 or _NO_MAILBOX_WORDS.search(words) is not None
    return False


def means_sender_unwanted(code: int, words: str) -> bool:
    """Whether it may be about the sender or the log-in, so that it would be said of every recipient.

    For the time being (4xx) only by code: the words of greylisting are too much like it.
    """
    enhanced = _enhanced(words)
    if enhanced in _UNWANTED or code in _UNWANTED_REPLIES:
        return True
    if code < 500:
        return False
    says_little = enhanced in {"", "0.0", "1.0", "1.2"} or enhanced.startswith("7.")
    return enhanced.startswith("5.") or (says_little and _UNWANTED_WORDS.search(words) is not None)


def _enhanced(words: str) -> str:
    """Subject and detail, such as ``1.1``; empty where the server gives none."""
    found = _ENHANCED.search(words)
    return found[1] if found else ""
