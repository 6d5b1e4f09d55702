"""Servicer of FeedService."""

from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.message import Message

from paperfeed.v1 import catalog_pb2, feed_pb2_grpc
from paperfeed.v1 import feed_pb2 as pb
from service.api import convert
from service.api.explanations import MAX_EXCLUDED, from_explanation, to_paper_query
from service.api.page_tokens import OTHER_REQUEST, PageTokens, page_size, request_hash
from service.app.explanation.paper import Explainer
from service.app.feeds import FeedPage, Feeds
from service.app.ranking.inline import InlineRanking, RankingQuery
from service.app.slates import FeedQuery
from service.domain.errors import InvalidField, InvalidPageToken
from service.domain.papers import Paper, check_id

MAX_STREAMED_USERS = 10_000
MAX_STREAMED_DIGESTS = 100
MAX_CANDIDATE_IDS = 10_000
MAX_INLINE_PAPERS = 1_000
DEFAULT_RANK_SECONDS = 30.0
LONGEST_DEADLINE = 7 * 24 * 3600.0
# Embedding must end this long before the caller's deadline, because sending the answer takes time.
ANSWER_SECONDS = 0.05


class FeedServicer(feed_pb2_grpc.FeedServiceServicer):
    """Serves feeds, rankings and similar papers."""

    def __init__(self, feeds: Feeds, explainer: Explainer, inline: InlineRanking, tokens: PageTokens) -> None:
        self._feeds = feeds
        self._explainer = explainer
        self._inline = inline
        self._tokens = tokens

    def GetFeed(self, request: pb.GetFeedRequest, context: grpc.ServicerContext) -> pb.GetFeedResponse:
        limit = page_size(request.page_size)
        query = _feed_query(request)
        position = self._tokens.read(request)
        if position is None:
            page = self._feeds.feed(query, page_size=limit)
        else:
            slate_id, offset = position
            page = self._feeds.page(slate_id, offset=offset, page_size=limit, reader=query.user_id)
            if page.slate.user_id != query.user_id or page.slate.request_hash != query.request_hash:
                raise InvalidPageToken(OTHER_REQUEST)
        return self._answer(request, page)

    @staticmethod
    def kind_of_feed(request: pb.GetFeedRequest) -> str | None:
        """Return the kind of a request for ``feeds_together``: its digest. None if it must be answered alone."""
        # An unknown interest, or a bundle without calibration, may fail one user's call but not those of others.
        is_plain = not (
            request.page_token
            or request.interest_id
            or request.HasField("as_of")
            or request.HasField("window")
            or request.HasField("min_probability")
        )
        return f"digest {request.digest_id}" if is_plain else None

    def feeds_together(self, requests: Sequence[pb.GetFeedRequest]) -> list[pb.GetFeedResponse]:
        """Answer several GetFeed requests of one kind; the slates are ranked and stored together."""
        pages = self._feeds.feeds(
            [_feed_query(request) for request in requests],
            page_sizes=[page_size(request.page_size) for request in requests],
        )
        return [self._answer(request, page) for request, page in zip(requests, pages, strict=True)]

    def GetSlate(self, request: pb.GetSlateRequest, context: grpc.ServicerContext) -> pb.GetSlateResponse:
        limit, view = page_size(request.page_size), convert.check_view(request.view)
        slate_id, position = convert.check_name(request.slate_id, "slate_id"), self._tokens.read(request)
        page = self._feeds.page(slate_id, offset=position[0] if position else 0, page_size=limit)
        return pb.GetSlateResponse(
            slate=_slate(page, explain=True, view=view), next_page_token=self._next_page_token(request, page, [])
        )

    def StreamFeeds(
        self, request: pb.StreamFeedsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.StreamFeedsResponse]:
        limit, view = page_size(request.limit, "limit"), convert.check_view(request.view)
        convert.check_count(request.user_ids, "user_ids", at_most=MAX_STREAMED_USERS)
        if bool(request.user_ids) == request.all_users:
            raise InvalidField("user_ids", "give either user_ids or all_users, and not both")
        user_ids = [check_id(user_id, f"user_ids[{i}]") for i, user_id in enumerate(request.user_ids)]
        query = FeedQuery(
            user_id="",
            digest_ids=tuple(
                dict.fromkeys(convert.check_names(request.digest_ids, "digest_ids", at_most=MAX_STREAMED_DIGESTS))
            ),
            as_of=convert.optional_time(request, "as_of"),
            explain=request.explain,
            by_interest=request.by_interest,
            min_probability=convert.optional_share(request, "min_probability"),
        )
        start_after = convert.check_optional_name(request.start_after, "start_after")
        pages = self._feeds.stream(
            query, None if request.all_users else user_ids, start_after=start_after, page_size=limit
        )
        for page in pages:
            if not context.is_active():
                return
            yield pb.StreamFeedsResponse(slate=_slate(page, explain=request.explain, view=view))

    def RankPapers(self, request: pb.RankPapersRequest, context: grpc.ServicerContext) -> pb.RankPapersResponse:
        # For a call without a deadline, grpcio returns a remaining time of centuries.
        remaining = context.time_remaining()
        seconds = max(0.0, remaining - ANSWER_SECONDS) if remaining < LONGEST_DEADLINE else DEFAULT_RANK_SECONDS
        ranking, pending = self._inline.rank(
            _ranking_query(request), timeout_seconds=seconds, is_wanted=context.is_active
        )
        derived = {convert.to_paper(p, "").paper_id for p in request.liked_papers.papers if not p.paper_id}
        return pb.RankPapersResponse(
            model_version=ranking.model_version,
            statistics_version=ranking.statistics_version,
            fallback_reason=convert.FALLBACKS[ranking.fallback_reason],
            pending_paper_count=pending,
            items=[
                pb.RankedPaper(
                    paper_id=item.paper_id,
                    rank=item.rank,
                    score=item.score,
                    reasons=[convert.from_reason(reason, unnamed=derived) for reason in item.reasons],
                )
                for item in ranking.items
            ],
        )

    def FindSimilarPapers(
        self, request: pb.FindSimilarPapersRequest, context: grpc.ServicerContext
    ) -> pb.FindSimilarPapersResponse:
        limit, view = page_size(request.limit, "limit"), convert.check_view(request.view)
        found = self._feeds.similar(convert.check_name(request.paper_id, "paper_id"), limit=limit)
        return pb.FindSimilarPapersResponse(
            papers=[
                pb.SimilarPaper(paper=convert.from_paper(paper, view), similarity=similarity)
                for paper, similarity in found
            ]
        )

    def ExplainPaper(self, request: pb.ExplainPaperRequest, context: grpc.ServicerContext) -> pb.ExplainPaperResponse:
        return from_explanation(self._explainer.explain(to_paper_query(request)))

    def _answer(self, request: pb.GetFeedRequest, page: FeedPage) -> pb.GetFeedResponse:
        return pb.GetFeedResponse(
            slate=_slate(page, explain=request.explain, view=request.view),
            next_page_token=self._next_page_token(request, page, [page.slate.slate_id]),
        )

    def _next_page_token(self, request: Message, page: FeedPage, position: list[str]) -> str:
        """Return the token that continues after the page; its position is extended by the index of the next item."""
        return self._tokens.make(request, [*position, page.items_to]) if page.items_to < len(page.slate.items) else ""


def _slate(page: FeedPage, *, explain: bool, view: int) -> Any:
    """Return the fields of a pb.Slate. Protobuf fills the answer from them; a message would be copied into it."""
    slate = page.slate
    return {
        "slate_id": slate.slate_id,
        "user_id": slate.user_id,
        "digest_ids": slate.digest_ids,
        "model_version": slate.model_version,
        "statistics_version": slate.statistics_version,
        "fallback_reason": convert.FALLBACKS[slate.fallback_reason],
        "stale_digest": slate.stale_digest,
        "pending_paper_count": slate.pending_paper_count,
        "as_of": slate.as_of,
        "created_at": slate.created_at,
        "total_size": len(slate.items),
        "items": [
            {
                "rank": item.rank,
                "paper": convert.shared_paper(paper, view or catalog_pb2.PAPER_VIEW_BASIC),
                "score": item.score,
                "reasons": [convert.from_reason(reason) for reason in item.reasons] if explain else (),
                "interest_id": item.interest_id,
                "probability": item.probability,
            }
            for item in slate.items[page.items_from : page.items_to]
            if (paper := page.papers.get(item.paper_id)) is not None and item.paper_id not in page.hidden_paper_ids
        ],
        "sections": [section._asdict() for section in slate.sections],
    }


def _feed_query(request: pb.GetFeedRequest) -> FeedQuery:
    convert.check_view(request.view)
    window = None
    if request.WhichOneof("candidates") == "window":
        if not request.window.HasField("start_at"):
            raise InvalidField("window.start_at", "is required")
        start = convert.from_timestamp(request.window.start_at, "window.start_at")
        end = convert.optional_time(request.window, "end_at", "window.")
        if end is not None and end <= start:
            raise InvalidField("window.end_at", "must come after window.start_at")
        window = (start, end)
    if request.interest_id and request.by_interest:
        raise InvalidField("by_interest", "cannot be combined with interest_id")
    return FeedQuery(
        user_id=check_id(request.user_id, "user_id"),
        digest_id=convert.check_optional_name(request.digest_id, "digest_id"),
        window=window,
        as_of=convert.optional_time(request, "as_of"),
        explain=request.explain,
        diversity=convert.optional_share(request, "diversity"),
        min_probability=convert.optional_share(request, "min_probability"),
        exclude_paper_ids=convert.check_names(request.exclude_paper_ids, "exclude_paper_ids", at_most=MAX_EXCLUDED),
        request_hash=request_hash(request),
        interest_id=convert.check_optional_name(request.interest_id, "interest_id"),
        by_interest=request.by_interest,
    )


def _ranking_query(request: pb.RankPapersRequest) -> RankingQuery:
    chosen = {request.WhichOneof("likes"), request.WhichOneof("candidates")}
    if request.WhichOneof("likes") is None:
        raise InvalidField("likes", "must be one of user_id, liked_paper_ids and liked_papers")
    if request.WhichOneof("candidates") is None:
        raise InvalidField("candidates", "must be candidate_paper_ids or candidate_papers")

    def names(field: str, at_most: int) -> tuple[str, ...]:
        given = getattr(request, field).paper_ids
        path = f"{field}.paper_ids"
        return convert.check_names(given, path, at_least=1, at_most=at_most) if field in chosen else ()

    def papers(field: str) -> tuple[Paper, ...]:
        if field not in chosen:
            return ()
        given = getattr(request, field).papers
        return tuple(convert.to_papers(given, f"{field}.papers", at_least=1, at_most=MAX_INLINE_PAPERS))

    return RankingQuery(
        user_id=check_id(request.user_id, "user_id") if "user_id" in chosen else "",
        liked_paper_ids=names("liked_paper_ids", MAX_INLINE_PAPERS),
        liked_papers=papers("liked_papers"),
        candidate_paper_ids=names("candidate_paper_ids", MAX_CANDIDATE_IDS),
        candidate_papers=papers("candidate_papers"),
        as_of=convert.optional_time(request, "as_of"),
        explain=request.explain,
    )
