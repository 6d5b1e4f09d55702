"""Reasons, obstacles and fallbacks of a feed in words."""

from cli.output import one_line
from paperfeed.v1 import feed_pb2
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_COMPLAINT,
    EVENT_TYPE_DISLIKE,
    EVENT_TYPE_DISMISS,
    EVENT_TYPE_LIKE,
    EVENT_TYPE_SAVE,
    EVENT_TYPE_SENT,
    Event,
)

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


_EVENTS = {
    EVENT_TYPE_LIKE: "likes",
    EVENT_TYPE_SAVE: "saved",
    EVENT_TYPE_DISLIKE: "disliked",
    EVENT_TYPE_DISMISS: "dismissed",
    EVENT_TYPE_SENT: "was mailed",
    EVENT_TYPE_COMPLAINT: "complained about a mail with",
}
_OUTCOMES = {
    feed_pb2.PAPER_OUTCOME_NOT_IN_DIGEST: "it is not in the digest",
    feed_pb2.PAPER_OUTCOME_EXCLUDED: "the request excludes it",
    feed_pb2.PAPER_OUTCOME_BELOW_PROBABILITY: "it is less probable than --min-probability",
    feed_pb2.PAPER_OUTCOME_BELOW_LENGTH: "it ranks below the last place of a slate",
    feed_pb2.PAPER_OUTCOME_NOT_RECORDED: "the slate does not have it, and the stored data do not say why",
}


def obstacle_in_words(found: feed_pb2.ExplainPaperResponse) -> str:
    """Return what keeps a paper out of a feed; empty if nothing does."""
    if found.outcome == feed_pb2.PAPER_OUTCOME_SEEN:
        return " and ".join(_event_in_words(event) for event in found.hidden_by)
    if found.outcome == feed_pb2.PAPER_OUTCOME_MUTED:
        kinds = (("topic", found.muted_by.topics), ("author", found.muted_by.authors))
        muted = [(kind, name) for kind, names in (*kinds, ("keyword", found.muted_by.keywords)) for name in names]
        return "the user muted " + ", ".join(f"the {kind} “{one_line(name)}”" for kind, name in muted)
    return _OUTCOMES.get(found.outcome, "")


def _event_in_words(event: Event) -> str:
    when = f" ({event.occurred_at.ToDatetime():%Y-%m-%d %H:%M} UTC)" if event.HasField("occurred_at") else ""
    return f"the user {_EVENTS.get(event.event_type, 'reacted to')} it{when}"
