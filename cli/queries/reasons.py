"""Reasons and fallbacks of a feed in words."""

from cli.output import one_line
from paperfeed.v1 import feed_pb2

_WORDS = {
    feed_pb2.REASON_TYPE_SIMILAR_TO_LIKED: "similar to “{subject}”",
    feed_pb2.REASON_TYPE_TOPIC: "about {subject}",
    feed_pb2.REASON_TYPE_TRENDING: "trending",
    feed_pb2.REASON_TYPE_FRESH: "new this week",
    feed_pb2.REASON_TYPE_FOLLOWED_AUTHOR: "by {subject}, whom you follow",
    feed_pb2.REASON_TYPE_EXPLORATION: "something different",
}
_FALLBACKS = {
    feed_pb2.FALLBACK_REASON_NEW_USER: "no likes yet: trending papers first, then the order of the digest",
    feed_pb2.FALLBACK_REASON_MODEL_UNAVAILABLE: "no trained model fits the encoder: ranked by similarity alone",
    feed_pb2.FALLBACK_REASON_OVERLOAD: "the server is busy: this feed was computed earlier",
    feed_pb2.FALLBACK_REASON_EMPTY_DIGEST: "no paper is left to show",
}


def in_words(reason: feed_pb2.Reason, *, max_subject: int = 60) -> str:
    """Return one reason in a few words."""
    subject = one_line(reason.subject)
    if len(subject) > max_subject:
        subject = subject[: max_subject - 1].rstrip() + "…"
    return _WORDS.get(reason.type, "").format(subject=subject)


def all_in_words(item: feed_pb2.FeedItem) -> str:
    """Return all reasons of an item, strongest first."""
    return ", ".join(filter(None, (in_words(reason) for reason in item.reasons)))


def fallback_in_words(slate: feed_pb2.Slate) -> str:
    """Return why a feed is not fully personal, or is not recent; empty if neither applies."""
    stale = "the newest digest is several days old" if slate.stale_digest else ""
    return "; ".join(filter(None, (_FALLBACKS.get(slate.fallback_reason), stale)))
