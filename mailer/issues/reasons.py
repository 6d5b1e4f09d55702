"""Words for the reasons of a recommendation and for the fallback of a feed."""

from collections.abc import Iterable

from mailer.domain.feed import Feed, Reason
from mailer.issues.text import readable, shortened

MAX_SUBJECT = 90
_WORDS = {
    "similar_to_liked": ("because you liked “{}”", "like papers you liked"),
    "topic": ("about {}", "about one of your topics"),
    "trending": ("trending now", "trending now"),
    "fresh": ("new this week", "new this week"),
    "followed_author": ("by {}, whom you follow", "by an author you follow"),
    "exploration": ("something different", "something different"),
}
_FALLBACKS = {
    "new_user": "We do not know your interests yet: these papers are trending. Likes make the next selection personal.",
    "model_unavailable": "Ordered by similarity to your liked papers alone; the ranking model was not available.",
    "overload": "Precomputed; your latest likes may be missing.",
}
_STALE = "There is no newer digest, so these papers come from an earlier one."


def in_words(reasons: Iterable[Reason], limit: int = 2) -> str:
    """Return up to ``limit`` reasons of known kinds in one line, strongest first and without repeats."""
    found = dict.fromkeys(_words(each) for each in reasons if each.kind in _WORDS)
    text = "; ".join(list(found)[:limit])
    return text[:1].upper() + text[1:]


def fallback_in_words(feed: Feed) -> str:
    """Return sentences that explain why the feed was not made in the normal way; empty if it was."""
    return " ".join(filter(None, (_FALLBACKS.get(feed.fallback), _STALE if feed.is_stale else "")))


def _words(reason: Reason) -> str:
    with_subject, without = _WORDS[reason.kind]
    subject = shortened(readable(reason.subject), MAX_SUBJECT)
    return with_subject.format(subject) if subject else without
