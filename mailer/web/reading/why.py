"""The page that explains why a paper is at its place in a list, or why it is not there."""

from collections.abc import Callable, Sequence
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from mailer.domain.shaping import Explanation
from mailer.issues.reasons import in_words
from mailer.service import FeedService
from mailer.web.forms import Form
from mailer.web.reading.users import PageUser

MAX_REASONS = 10
LITTLE = 0.005
"""Parts of a score that are nearer to 0 are not shown."""
EVENTS = {
    "like": "You liked it",
    "unlike": "You took back a reaction",
    "dislike": "You said it is not for you",
    "click": "You opened it",
    "save": "You saved it",
    "dismiss": "You dismissed it",
    "impression": "It was shown to you",
    "sent": "It was mailed to you",
    "complaint": "You complained about a mail with it",
}
"""What happened, by event type."""
OUTCOMES = {
    "not_in_digest": "It is not among the papers that this list is made from.",
    "seen": "Your feed leaves out papers that you reacted to or that were mailed to you.",
    "muted": "You muted something that the paper matches.",
    "excluded": "It was left out on request.",
    "below_probability": "You would probably not like or save it.",
    "below_length": "It ranks below the end of the list.",
    "not_recorded": "The list was stored without it, and the reason was not stored.",
}
"""What keeps a paper out, by outcome."""
FAMILIES = {
    "embedding": "How close its content is to that of papers you like",
    "text": "How close its words are to those of papers you like",
    "collaborative": "Likes of users with similar likes",
    "recency": "Its age",
    "profile": "How many papers you like, and how much they differ",
    "topic": "Its topics and authors",
    "trend": "How popular it is now",
}
"""What a part of the score comes from, by family of features."""
FALLBACKS = {
    "new_user": "You have no likes yet, so papers are ordered by what is trending and by what you follow.",
    "model_unavailable": "The ranking model was not available, so papers are ordered by similarity alone.",
    "overload": "The list was precomputed.",
}


class Why:
    """Handler of the page.

    Args:
        page: Returns a rendered template.
        min_probability: The lowest probability in mails to users without their own; 0 means no limit.
    """

    def __init__(self, service: FeedService, page: Callable[..., Response], min_probability: float) -> None:
        self._service = service
        self._page = page
        self._min_probability = min_probability

    def show(self, user: PageUser, request: Request, _form: Form) -> Response:
        """Explain a paper in the list that ``slate`` names, in a new ranking of ``digest``, or in the newest digest.

        Raises:
            NotFound: The paper, the slate or the digest is unknown.
        """
        slate_id, digest_id = (request.query_params.get(name, "") for name in ("slate", "digest"))
        found = self._service.explain(
            user.user_id, request.path_params["paper_id"], slate_id=slate_id, digest_id=digest_id
        )
        is_shown = found.outcome == "shown"
        return self._page(
            "reading/why.html",
            user=user,
            found=found,
            is_shown=is_shown,
            place=_place(found, is_served=bool(slate_id)),
            obstacle="" if is_shown else OUTCOMES.get(found.outcome, "The service gives no reason."),
            notes=_notes(found, self._limit_of(user)),
            reasons=in_words(found.paper.reasons, MAX_REASONS),
            parts=_parts(found.contributions),
            hidden_by=[(EVENTS.get(each.event_type, each.event_type), each) for each in found.hidden_by],
            paper_url=f"/paper/{quote(found.paper.paper_id)}",
            back=why_url(found.paper.paper_id, slate_id, digest_id),
        )

    def _limit_of(self, user: PageUser) -> float:
        return user.subscriber.limit(self._min_probability) if user.subscriber else 0.0


def why_url(paper_id: str, slate_id: str = "", digest_id: str = "") -> str:
    """Return the address of the page that explains a paper in a slate, a digest, or else the newest digest."""
    named = {name: value for name, value in (("slate", slate_id), ("digest", digest_id)) if value}
    return f"/why/{quote(paper_id)}" + (f"?{urlencode(named)}" if named else "")


def _place(found: Explanation, *, is_served: bool) -> str:
    """Return the rank in words; empty without a rank."""
    rank, size = found.paper.position, found.list_size
    if not rank:
        return ""
    if found.outcome != "shown":
        return f"Without that, it would be at rank {rank} of {size}."
    return f"It {'was' if is_served else 'is'} at rank {rank} of {size}{'' if is_served else ' if ranked now'}."


def _notes(found: Explanation, limit: float) -> list[str]:
    """Return sentences on everything besides the score that decides the rank.

    Args:
        limit: Lowest probability of a paper in a mail to the user; 0 without one.
    """
    notes = [FALLBACKS[found.fallback]] if found.fallback in FALLBACKS else []
    rank, before, by_score = found.paper.position, found.rank_before_exploration, found.rank_by_score
    if rank and before not in (0, rank):
        notes.append(f"It was swapped with the paper at rank {before} at random, to learn what else you like.")
    if before and by_score not in (0, before):
        moved = "down" if before > by_score else "up"
        notes.append(f"By score alone it ranks {by_score}. It moved {moved} because similar papers are kept apart.")
    if found.probability is not None:
        notes.append(f"You would like or save it with a probability of {_percent(found.probability)}.")
        if found.probability < limit:
            notes.append(f"Mails to you leave it out: their lowest probability is {_percent(limit)}.")
    if found.is_pending:
        notes.append("Its text is not encoded yet, so it usually ranks lower than it will.")
    return notes


def _percent(probability: float) -> str:
    return f"{probability * 100:.3g} %"


def _parts(contributions: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return (what it comes from, part of the score) of the parts that matter, largest first."""
    kept = [(FAMILIES.get(family, family), value) for family, value in contributions if abs(value) >= LITTLE]
    return sorted(kept, key=lambda part: -abs(part[1]))
