"""``paperfeed missed``: which of a user's new likes the feed did not show, and why."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from cli.options import Json, Server, TlsCa, TlsCert, TlsKey
from cli.output import one_line, progress_bar, show
from cli.queries.reasons import obstacle_in_words
from cli.queries.server import server_client
from paperfeed.v1.catalog_pb2 import Digest, GetDigestRequest, ListDigestsRequest
from paperfeed.v1.feed_pb2 import PAPER_OUTCOME_SEEN, PAPER_OUTCOME_SHOWN, ExplainPaperRequest, ExplainPaperResponse
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_COMPLAINT,
    EVENT_TYPE_DISLIKE,
    EVENT_TYPE_DISMISS,
    EVENT_TYPE_LIKE,
    EVENT_TYPE_SAVE,
    SIGNAL_EFFECT_MORE_SIMILAR,
    ListSignalsRequest,
    Signal,
)

if TYPE_CHECKING:
    from paperfeed.client import Client

_MOMENT = dt.timedelta(microseconds=1)
_REFUSALS = {EVENT_TYPE_DISLIKE, EVENT_TYPE_DISMISS, EVENT_TYPE_COMPLAINT}


@dataclass(frozen=True)
class Miss:
    """A later like that a digest had before, and what the feed would have done with it."""

    digest: Digest
    found: ExplainPaperResponse

    @property
    def why(self) -> str:
        """The reason in words."""
        return obstacle_in_words(self.found) or f"it ranked {self.found.rank} of {self.found.total_size}"


def missed(
    user: Annotated[str, typer.Argument(help="Id of the user.")],
    days: Annotated[int, typer.Option(min=1, max=365, help="Digests of this many last days.")] = 30,
    top: Annotated[int, typer.Option(min=1, max=500, help="Number of first places that count as shown.")] = 20,
    server: Server = None,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    as_json: Json = False,
) -> None:
    """Print papers that a user liked only after a digest had them, if the feed of that day did not show them, and why.

    Each digest is ranked anew as of its day, with the events recorded until then. Likes that came from a feed or that
    were mailed before are left out.
    """
    with server_client(server, (tls_ca, tls_cert, tls_key)) as client:
        since = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
        likes = _new_likes(client, user, since)
        digests = list(_digests(client, since.date())) if likes else []
        misses, in_digests = [], 0
        with progress_bar("likes", len(likes)) as bar:
            for paper_id, recorded_at in likes.items():
                found = list(_explained(client, user, paper_id, recorded_at, digests))
                in_digests += bool(found)
                if found and not any(_was_shown(each.found, top) for each in found):
                    misses.append(min(found, key=lambda each: each.found.rank))
                bar.advance(1)
    result = {
        "like_count": len(likes),
        "in_digests_count": in_digests,
        "missed": [_plain(each) for each in misses],
    }
    lines = [
        f"{one_line(each.found.paper.title)}\n    {each.digest.digest_id}: {one_line(each.why)}" for each in misses
    ]
    summary = f"{len(likes)} likes in {days} days, {in_digests} of them in an earlier digest, {len(misses)} missed"
    show(result, as_json=as_json, text="\n".join([*lines, summary]))


def _new_likes(client: "Client", user: str, since: dt.datetime) -> dict[str, dt.datetime]:
    """Return when each paper was first liked, of likes in force that were recorded since then and come from no feed."""
    request = ListSignalsRequest(user_id=user, page_size=100, event_types=[EVENT_TYPE_LIKE, EVENT_TYPE_SAVE])
    found: dict[str, Signal] = {}
    for signal in client.signals(request):
        if signal.recorded_at.ToDatetime(dt.UTC) < since:
            break
        if SIGNAL_EFFECT_MORE_SIMILAR in signal.effects:
            # Newest first, so the first like of a paper comes last.
            found[signal.event.paper_id] = signal
    return {
        paper_id: signal.recorded_at.ToDatetime(dt.UTC)
        for paper_id, signal in found.items()
        if not signal.event.slate_id
    }


def _digests(client: "Client", since: dt.date) -> Iterator[Digest]:
    """Yield the digests of these days with their papers, newest first."""
    for listed in client.digests(ListDigestsRequest(page_size=100)):
        if _day(listed) < since:
            return
        yield client.catalog.GetDigest(GetDigestRequest(digest_id=listed.digest_id)).digest


def _explained(
    client: "Client", user: str, paper_id: str, recorded_at: dt.datetime, digests: list[Digest]
) -> Iterator[Miss]:
    """Yield explanations of the paper in each digest that had it before the like."""
    for digest in digests:
        created_at = digest.created_at.ToDatetime(dt.UTC)
        if paper_id not in digest.paper_ids or created_at >= recorded_at:
            continue
        end_of_day = dt.datetime.combine(_day(digest) + dt.timedelta(days=1), dt.time(), dt.UTC)
        request = ExplainPaperRequest(user_id=user, paper_id=paper_id, digest_id=digest.digest_id)
        request.as_of.FromDatetime(min(max(end_of_day, created_at), recorded_at - _MOMENT))
        yield Miss(digest, client.feeds.ExplainPaper(request))


def _was_shown(found: ExplainPaperResponse, top: int) -> bool:
    """Return whether the user saw the paper: near the top, or mailed or liked before."""
    if found.outcome == PAPER_OUTCOME_SEEN:
        return not any(event.event_type in _REFUSALS for event in found.hidden_by)
    return found.outcome == PAPER_OUTCOME_SHOWN and found.rank <= top


def _day(digest: Digest) -> dt.date:
    return dt.date(digest.date.year, digest.date.month, digest.date.day)


def _plain(miss: Miss) -> dict[str, Any]:
    found = MessageToDict(miss.found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    names = ("outcome", "rank", "total_size", "as_of", "hidden_by", "muted_by", "nearest_likes")
    return {
        "paper_id": miss.found.paper.paper_id,
        "title": miss.found.paper.title,
        "digest_id": miss.digest.digest_id,
        "date": _day(miss.digest).isoformat(),
        "why": miss.why,
        **{name: found[name] for name in names if name in found},
    }
