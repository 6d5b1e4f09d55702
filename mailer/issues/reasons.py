"""Why a paper is there, in words."""

from collections.abc import Iterable

from mailer.issues.feed import Reason, ReasonKind
from mailer.issues.text import readable, shortened

MAX_SUBJECT = 90
_WORDS = {
    ReasonKind.SIMILAR_TO_LIKED: ("because you liked “{}”", "like papers you liked"),
    ReasonKind.TOPIC: ("about {}", "about what you read"),
    ReasonKind.TRENDING: ("trending now", "trending now"),
    ReasonKind.FRESH: ("new this week", "new this week"),
    ReasonKind.FOLLOWED_AUTHOR: ("by {}, whom you follow", "by somebody you follow"),
    ReasonKind.EXPLORATION: ("something different", "something different"),
}
_FALLBACKS = {
    "new_user": "We do not know your taste yet; these papers are trending. Like some, and the next issue is yours.",
    "stale_digest": "There is no newer digest; these are from an earlier one.",
    "model_unavailable": "Ordered by likeness to what you liked alone; the ranking model was not available.",
    "overload": "Computed ahead of time; your latest likes may be missing.",
}


def in_words(reasons: Iterable[Reason], limit: int = 2) -> str:
    """The strongest reasons in one line, each once; empty where there are none."""
    found = dict.fromkeys(map(_words, reasons))
    text = "; ".join(list(found)[:limit])
    return text[:1].upper() + text[1:]


def fallback_in_words(fallback: str) -> str:
    """A sentence about a feed that is not as it should be; empty when all is well."""
    return _FALLBACKS.get(fallback, "")


def _words(reason: Reason) -> str:
    with_subject, without = _WORDS[reason.kind]
    subject = shortened(readable(reason.subject), MAX_SUBJECT)
    return with_subject.format(subject) if subject else without
