"""Conversion of explanations and of the signal ledger: requests to queries, and results to messages."""

from collections.abc import Sequence

from paperfeed.v1 import catalog_pb2, feed_pb2, profile_pb2
from service.api import convert
from service.app.explanation.ledger import SignalPage
from service.app.explanation.paper import Explanation, Outcome, PaperQuery
from service.app.slates import FeedQuery
from service.domain.errors import InvalidField
from service.domain.events import EventType, Preferences
from service.domain.ledger import SignalEffect
from service.domain.papers import check_id

MAX_EXCLUDED = 1_000
MAX_EVENT_TYPES = 20
OUTCOMES = {outcome: feed_pb2.PaperOutcome.Value(f"PAPER_OUTCOME_{outcome.name}") for outcome in Outcome}
EFFECTS = {effect: profile_pb2.SignalEffect.Value(f"SIGNAL_EFFECT_{effect.name}") for effect in SignalEffect}


def to_paper_query(request: feed_pb2.ExplainPaperRequest) -> PaperQuery:
    """Return the query of a request."""
    user_id = check_id(request.user_id, "user_id")
    paper_id = convert.check_name(request.paper_id, "paper_id")
    has_slate = request.WhichOneof("list") == "slate_id"
    given = [name for name in ("as_of", "diversity", "min_probability") if request.HasField(name)]
    given += ["exclude_paper_ids"] if request.exclude_paper_ids else []
    if has_slate and given:
        raise InvalidField(given[0], "cannot be given together with slate_id")
    feed = FeedQuery(
        user_id=user_id,
        digest_id=convert.check_optional_name(request.digest_id, "digest_id"),
        as_of=convert.optional_time(request, "as_of"),
        diversity=convert.optional_share(request, "diversity"),
        min_probability=convert.optional_share(request, "min_probability"),
        exclude_paper_ids=convert.check_names(request.exclude_paper_ids, "exclude_paper_ids", at_most=MAX_EXCLUDED),
    )
    return PaperQuery(feed, paper_id, convert.check_name(request.slate_id, "slate_id") if has_slate else "")


def from_explanation(found: Explanation) -> feed_pb2.ExplainPaperResponse:
    """Return the message of an explanation."""
    place, facts = found.place, found.facts
    return feed_pb2.ExplainPaperResponse(
        outcome=OUTCOMES[found.outcome],
        paper=convert.shared_paper(found.paper, catalog_pb2.PAPER_VIEW_BASIC),
        digest_ids=found.digest_ids,
        model_version=found.model_version,
        fallback_reason=convert.FALLBACKS[found.fallback_reason],
        as_of=convert.to_timestamp(found.as_of),
        total_size=found.total_size,
        rank=place.rank,
        score=place.score,
        rank_by_score=place.rank_by_score,
        rank_without_topic_limit=place.rank_without_topic_limit,
        rank_before_exploration=place.rank_before_exploration,
        reasons=[convert.from_reason(reason) for reason in place.reasons],
        contributions=[feed_pb2.FamilyContribution(**each._asdict()) for each in place.contributions],
        base_score=place.base_score,
        nearest_likes=[
            feed_pb2.NearestLike(paper_id=each.paper.paper_id, title=each.paper.title, similarity=each.similarity)
            for each in facts.nearest_likes
        ],
        hidden_by=[convert.from_event(event) for event in facts.hidden_by],
        muted_by=_from_muting(facts.muted_by),
        probability=place.probability,
    )


def to_event_types(numbers: Sequence[profile_pb2.EventType.ValueType]) -> tuple[EventType, ...]:
    """Return the distinct event types of a request."""
    convert.check_count(numbers, "event_types", at_most=MAX_EVENT_TYPES)
    for place, number in enumerate(numbers):
        if number not in convert.EVENT_TYPES:
            raise InvalidField(f"event_types[{place}]", f"{number} is not a known event type")
    return tuple(dict.fromkeys(convert.EVENT_TYPES[number] for number in numbers))


def from_signals(page: SignalPage, next_page_token: str) -> profile_pb2.ListSignalsResponse:
    """Return the message of a page of signals."""
    return profile_pb2.ListSignalsResponse(
        signals=[
            profile_pb2.Signal(
                event=convert.from_event(signal.recorded.event),
                title=signal.title,
                recorded_at=convert.to_timestamp(signal.recorded.recorded_at),
                effects=[EFFECTS[effect] for effect in signal.effects],
            )
            for signal in page.signals
        ],
        preferences=None if page.preferences is None else convert.from_preferences(page.preferences),
        next_page_token=next_page_token,
    )


def _from_muting(muting: Preferences) -> feed_pb2.MutedBy | None:
    if muting == Preferences():
        return None
    return feed_pb2.MutedBy(topics=muting.muted_topics, authors=muting.muted_authors, keywords=muting.muted_keywords)
