"""Reasons in words, for people."""

from paperfeed.v1 import feed_pb2

_WORDS = {
    feed_pb2.REASON_TYPE_SIMILAR_TO_LIKED: "like “{subject}”",
    feed_pb2.REASON_TYPE_TOPIC: "about {subject}",
    feed_pb2.REASON_TYPE_TRENDING: "trending",
    feed_pb2.REASON_TYPE_FRESH: "new this week",
    feed_pb2.REASON_TYPE_FOLLOWED_AUTHOR: "by {subject}, whom you follow",
    feed_pb2.REASON_TYPE_EXPLORATION: "something different",
}


def in_words(reason: feed_pb2.Reason, *, max_subject: int = 60) -> str:
    """One reason in a few words."""
    subject = reason.subject if len(reason.subject) <= max_subject else reason.subject[: max_subject - 1].rstrip() + "…"
    return _WORDS.get(reason.type, "").format(subject=subject)


def all_in_words(item: feed_pb2.FeedItem) -> str:
    """All reasons of an item, strongest first."""
    return ", ".join(filter(None, (in_words(reason) for reason in item.reasons)))


def fallback_in_words(fallback: int) -> str:
    """Why a feed is not fully personal; empty when it is."""
    words = {
        feed_pb2.FALLBACK_REASON_NEW_USER: "nothing is known to be liked yet: what trends, then the digest's own order",
        feed_pb2.FALLBACK_REASON_MODEL_UNAVAILABLE: "no trained model fits: ranked by similarity alone",
        feed_pb2.FALLBACK_REASON_STALE_DIGEST: "the newest digest is some days old",
        feed_pb2.FALLBACK_REASON_OVERLOAD: "the server is busy: a feed made earlier",
        feed_pb2.FALLBACK_REASON_EMPTY_DIGEST: "no paper is left to show",
    }
    return {int(reason): text for reason, text in words.items()}.get(fallback, "")
