"""Decides whether the refusal of a recipient concerns the mailbox or the sender.

Reply codes follow RFC 5321, enhanced codes RFC 3463. Many servers use one code for several causes, so the text of the
reply counts too.
"""

import re

_ENHANCED = re.compile(r"(?<![\d.])[45]\.(\d{1,3}\.\d{1,3})(?!\.?\d)")

NO_MAILBOX = frozenset({"5.1.1", "5.1.2", "5.1.6", "5.1.10"})
"""No such mailbox, no such domain, mailbox moved, domain accepts no mail. 5.1.0, 5.1.3 and 5.1.4 are less specific."""
_NO_MAILBOX_WORDS = re.compile(
    r"\b(no such|unknown|invalid|non-?existent) (local )?(user|mailbox|recipient|account)\b"
    r"|\b(user|mailbox|recipient|account)\b[^.;]{0,40}\b(unknown|not found|does not exist|doesn't exist)\b",
    re.IGNORECASE,
)

_UNWANTED = {"1.7", "1.8", "7.8", "7.9", "7.10", "7.11", "7.14", "7.54", "7.57", "7.60", "7.64"}
"""Refused sender address or domain, missing log-in or encryption. Codes above 7.50 are specific to Exchange."""
_UNWANTED_REPLIES = {454, 502, 503, 504, 530, 534, 535, 538}
"""Missing log-in, or unexpected commands."""
_UNWANTED_WORDS = re.compile(
    r"\brelay(?! recipient table)|rcpthosts|authenticat|\bauth\b|\blog-? ?in\b|\bsender\b|\bclient host\b",
    re.IGNORECASE,
)


def means_no_mailbox(code: int, words: str) -> bool:
    """Return whether a permanent refusal says that the mailbox does not exist.

    A 550 or 553 without a specific enhanced code says so only through its text.
    """
    enhanced = _enhanced(words)
    if code < 500 or f"5.{enhanced}" in NO_MAILBOX:
        return code >= 500
    if enhanced in {"", "0.0", "1.0"}:
        return code == 551 or _NO_MAILBOX_WORDS.search(words) is not None
    return False


def means_sender_unwanted(code: int, words: str) -> bool:
    """Return whether a refusal may concern the sender or the log-in, and therefore every recipient.

    For temporary refusals (4xx) only the code counts, because replies of greylisting use similar words.
    """
    enhanced = _enhanced(words)
    if enhanced in _UNWANTED or code in _UNWANTED_REPLIES:
        return True
    if code < 500:
        return False
    says_little = enhanced in {"", "0.0", "1.0", "1.2"} or enhanced.startswith("7.")
    return enhanced.startswith("5.") or (says_little and _UNWANTED_WORDS.search(words) is not None)


def _enhanced(words: str) -> str:
    """Return subject and detail of the enhanced code, such as ``1.1``; empty if the reply has none."""
    found = _ENHANCED.search(words)
    return found[1] if found else ""
