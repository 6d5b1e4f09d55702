"""The connection to the feed service."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Self

from google.protobuf.field_mask_pb2 import FieldMask

from mailer.domain.feed import Digest, Event, Feed, FeedPaper, Interest, Preferences, Profile
from mailer.domain.shaping import Explanation, Signals
from mailer.errors import NotFound
from mailer.service.messages import (
    from_event,
    mapped,
    to_digest,
    to_explanation,
    to_feed,
    to_paper,
    to_profile,
    to_signals,
)
from paperfeed.client import Access, Client
from paperfeed.v1 import catalog_pb2, feed_pb2, profile_pb2

EVENTS_PER_CALL = 1_000
MAX_DIGESTS = 100
PLAIN = Access()
"""No TLS and no API key: a server on this machine that does not identify its callers."""
PAGE_SIZE = 20
"""Papers on one page of a feed, of search results or of likes."""
SIGNALS_ON_PAGE = 50


class FeedService:
    """A connection to the feed service. Use it in a ``with`` block; every call may raise ServiceUnavailable.

    Args:
        access: Credentials for TLS, and the API key. Default: neither.
    """

    def __init__(self, target: str, access: Access = PLAIN, *, timeout_seconds: float = 30.0) -> None:
        self._client = Client(target, timeout=timeout_seconds, credentials=access.credentials, api_key=access.api_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def digests(self, since: dt.date = dt.date.min) -> Iterator[Digest]:
        """Yield the digests dated ``since`` or later, newest first."""
        with mapped():
            for found in self._client.digests(catalog_pb2.ListDigestsRequest(page_size=100)):
                digest = to_digest(found)
                if digest.date < since:
                    return
                yield digest

    def digest_papers(self, limit: int = 100) -> list[FeedPaper]:
        """Return up to ``limit`` (at most 100) papers of the newest digest without abstracts; empty without digests."""
        with contextlib.suppress(NotFound), mapped("digest"):
            found = self._client.catalog.GetDigest(catalog_pb2.GetDigestRequest()).digest.paper_ids[:limit]
            return self.papers(found) if found else []
        return []

    def papers(self, paper_ids: Sequence[str], *, abstracts: bool = False) -> list[FeedPaper]:
        """Return 1 to 100 papers in the order of their ids or aliases.

        Raises:
            NotFound: One of the papers is unknown.
        """
        view = catalog_pb2.PAPER_VIEW_FULL if abstracts else catalog_pb2.PAPER_VIEW_BASIC
        request = catalog_pb2.BatchGetPapersRequest(paper_ids=paper_ids, view=view)
        with mapped("paper"):
            found = self._client.catalog.BatchGetPapers(request).papers
        return [to_paper(paper, position) for position, paper in enumerate(found, start=1)]

    def search(self, query: str, page_token: str = "") -> tuple[list[FeedPaper], str]:
        """Return the papers that contain all words of a query, with abstracts, and the token of the next page.

        Raises:
            InvalidField: The query has no word to find, or is too long.
        """
        request = catalog_pb2.SearchPapersRequest(
            query=query, page_token=page_token, page_size=PAGE_SIZE, view=catalog_pb2.PAPER_VIEW_FULL
        )
        with mapped():
            answer = self._client.catalog.SearchPapers(request)
        return [to_paper(paper, n) for n, paper in enumerate(answer.papers, start=1)], answer.next_page_token

    def similar(self, paper_id: str, limit: int) -> list[FeedPaper]:
        """Return the papers that are most similar to a paper, with abstracts; empty if the paper has no vector yet.

        Raises:
            NotFound: The paper is unknown.
        """
        request = feed_pb2.FindSimilarPapersRequest(paper_id=paper_id, limit=limit, view=catalog_pb2.PAPER_VIEW_FULL)
        with mapped("paper", paper_id):
            answer = self._client.feeds.FindSimilarPapers(request)
        return [to_paper(each.paper, position) for position, each in enumerate(answer.papers, start=1)]

    def feed(
        self, user_id: str, digest_id: str = "", page_token: str = "", *, by_interest: bool = False
    ) -> tuple[Feed, str]:
        """Return a page of the user's feed of one digest, with abstracts and reasons, and the token of the next page.

        Without a token, the service makes and stores a new slate.

        Args:
            digest_id: Id of the digest; empty means the newest.
            page_token: Token of the page; it belongs to one user and digest, and to feeds with or without sections.
            by_interest: Whether the feed has a section for each interest of the user.

        Raises:
            NotFound: The digest is unknown, or the slate of the token is no longer stored.
            InvalidField: The token belongs to another feed.
        """
        request = feed_pb2.GetFeedRequest(
            user_id=user_id,
            digest_id=digest_id,
            page_size=PAGE_SIZE,
            page_token=page_token,
            explain=True,
            view=catalog_pb2.PAPER_VIEW_FULL,
            by_interest=by_interest,
        )
        with mapped("digest", digest_id):
            answer = self._client.feeds.GetFeed(request)
        return to_feed(answer.slate), answer.next_page_token

    def feeds(
        self,
        user_ids: Sequence[str],
        digest_ids: Sequence[str],
        paper_count: int,
        *,
        by_interest: bool = False,
        min_probability: float = 0.0,
    ) -> Iterator[Feed]:
        """Yield one feed of all digests for each user, in ascending order of user_id, with abstracts and reasons.

        Args:
            user_ids: Up to 10,000 users.
            digest_ids: Ids of up to ``MAX_DIGESTS`` digests; empty means the newest digest.
            paper_count: Maximum number of papers in a feed, 1 to 100.
            by_interest: Whether the feeds have a section for each interest of the user.
            min_probability: Lowest probability that the user likes or saves a paper of the feed, 0 to 1. 0 leaves out
                nothing and needs no calibrated model.

        Raises:
            InvalidField: There is a min_probability, and the model that ranks has no calibration.
        """
        request = feed_pb2.StreamFeedsRequest(
            user_ids=user_ids,
            digest_ids=digest_ids,
            limit=paper_count,
            explain=True,
            view=catalog_pb2.PAPER_VIEW_FULL,
            by_interest=by_interest,
            min_probability=min_probability or None,
        )
        with mapped():
            for answer in self._client.feeds.StreamFeeds(request):
                yield to_feed(answer.slate)

    def slate(self, slate_id: str) -> Feed:
        """Return the first 100 papers of a feed as it was served.

        Raises:
            NotFound: The service no longer stores the slate.
        """
        request = feed_pb2.GetSlateRequest(slate_id=slate_id, page_size=100, view=catalog_pb2.PAPER_VIEW_FULL)
        with mapped("slate", slate_id):
            return to_feed(self._client.feeds.GetSlate(request).slate)

    def explain(self, user_id: str, paper_id: str, *, slate_id: str = "", digest_id: str = "") -> Explanation:
        """Return why a paper has its place, or has none, in a slate or in a new ranking of a digest.

        Args:
            slate_id: Slate that was served to the user; empty means a new ranking.
            digest_id: Digest to rank; empty means the newest one. Without effect if a slate is given.

        Raises:
            NotFound: The paper, the slate or the digest is unknown.
        """
        request = feed_pb2.ExplainPaperRequest(user_id=user_id, paper_id=paper_id)
        if slate_id:
            request.slate_id = slate_id
        else:
            request.digest_id = digest_id
        with mapped("paper", paper_id):
            return to_explanation(self._client.feeds.ExplainPaper(request))

    def record(self, events: Sequence[Event]) -> None:
        """Record events in the service. Recording an event again changes nothing.

        The events are sent in calls of up to 1,000; a call that raises has recorded none of its events.

        Raises:
            NotFound: The service does not know one of the papers, for instance because it was deleted.
            InvalidField: One of the events is invalid.
        """
        for start in range(0, len(events), EVENTS_PER_CALL):
            sent = [from_event(event) for event in events[start : start + EVENTS_PER_CALL]]
            with mapped("paper", "of an event"):
                self._client.profiles.RecordEvents(profile_pb2.RecordEventsRequest(events=sent))

    def profile(self, user_id: str) -> Profile:
        """Return the profile of the user; that of an unknown user is empty."""
        with contextlib.suppress(NotFound), mapped("user", user_id):
            return to_profile(self._client.profiles.GetProfile(profile_pb2.GetProfileRequest(user_id=user_id)).profile)
        return Profile()

    def preferences(self, user_id: str) -> Preferences:
        """Return the preferences of the user; an unknown user has none."""
        return self.profile(user_id).preferences

    def likes(
        self, user_id: str, page_token: str = "", *, saved_only: bool = False, page_size: int = PAGE_SIZE
    ) -> tuple[dict[str, str], str]:
        """Return a page of ``{paper_id: "save" or "like"}``, newest first, and the token of the next page.

        Args:
            saved_only: Leave out likes that are no saves.
        """
        request = profile_pb2.ListLikesRequest(
            user_id=user_id, page_token=page_token, page_size=page_size, saved_only=saved_only
        )
        with contextlib.suppress(NotFound), mapped("user", user_id):
            answer = self._client.profiles.ListLikes(request)
            return {each.paper_id: "save" if each.saved else "like" for each in answer.likes}, answer.next_page_token
        return {}, ""

    def update_preferences(self, user_id: str, preferences: Preferences) -> None:
        """Replace the preferences of the user.

        Raises:
            InvalidField: The service refuses one of the values.
        """
        values = {name: list(getattr(preferences, name)) for name in Preferences.__dataclass_fields__}
        request = profile_pb2.UpdatePreferencesRequest(
            user_id=user_id, preferences=profile_pb2.Preferences(**values), update_mask=FieldMask(paths=list(values))
        )
        with mapped():
            self._client.profiles.UpdatePreferences(request)

    def update_interest(self, user_id: str, interest: Interest, *names: str) -> None:
        """Change some of the ``name``, ``weight`` and ``paused`` of the interest with the same id.

        Raises:
            NotFound: The interest is unknown.
            InvalidField: The service refuses one of the values.
        """
        changed = profile_pb2.Interest(
            interest_id=interest.interest_id, name=interest.name, weight=interest.weight, paused=interest.is_paused
        )
        request = profile_pb2.UpdateInterestRequest(
            user_id=user_id, interest=changed, update_mask=FieldMask(paths=names)
        )
        with mapped("interest", interest.interest_id):
            self._client.profiles.UpdateInterest(request)

    def merge_interests(self, user_id: str, interest_id: str, merged_id: str) -> None:
        """Merge the interest ``merged_id`` into another one, which keeps its name.

        Raises:
            NotFound: One of the interests is unknown.
        """
        request = profile_pb2.MergeInterestsRequest(
            user_id=user_id, interest_id=interest_id, merged_interest_ids=[merged_id]
        )
        with mapped("interest", interest_id):
            self._client.profiles.MergeInterests(request)

    def split_interest(self, user_id: str, interest_id: str, new_id: str) -> None:
        """Divide the papers of an interest into two groups, and move the smaller one to a new interest.

        Args:
            new_id: Id of the new interest; if the user has it already, nothing changes.

        Raises:
            NotFound: The interest is unknown.
            InvalidField: Too few of its papers have vectors, or the user has too many interests.
        """
        request = profile_pb2.SplitInterestRequest(user_id=user_id, interest_id=interest_id, new_interest_id=new_id)
        with mapped("interest", interest_id):
            self._client.profiles.SplitInterest(request)

    def create_interest(self, user_id: str, name: str, paper_ids: Sequence[str]) -> None:
        """Make an interest of papers of the catalog, liked or not.

        Raises:
            InvalidField: The name or the number of papers is refused, or an interest of this name has other papers.
        """
        interest = profile_pb2.Interest(name=name, origin=profile_pb2.INTEREST_ORIGIN_LIST, paper_ids=paper_ids)
        request = profile_pb2.CreateInterestRequest(user_id=user_id, interest=interest)
        with mapped():
            self._client.profiles.CreateInterest(request)

    def delete_interest(self, user_id: str, interest_id: str) -> None:
        """Delete an interest; its likes stay likes. Deleting it again changes nothing."""
        request = profile_pb2.DeleteInterestRequest(user_id=user_id, interest_id=interest_id)
        with mapped("user", user_id):
            self._client.profiles.DeleteInterest(request)

    def signals(self, user_id: str, page_token: str = "", page_size: int = SIGNALS_ON_PAGE) -> Signals:
        """Return a page of what shapes the user's feeds, newest first; an unknown user has no signals.

        Raises:
            InvalidField: The token belongs to another list.
        """
        request = profile_pb2.ListSignalsRequest(user_id=user_id, page_token=page_token, page_size=page_size)
        with contextlib.suppress(NotFound), mapped("user", user_id):
            return to_signals(self._client.profiles.ListSignals(request))
        return Signals()

    def delete_events(self, user_id: str, event_ids: Sequence[str]) -> int:
        """Delete 1 to 1,000 events of the user, and return how many there were. Unknown ids are ignored."""
        request = profile_pb2.DeleteEventsRequest(user_id=user_id, event_ids=event_ids)
        with mapped():
            return self._client.profiles.DeleteEvents(request).deleted_count

    def reset_signals(self, user_id: str) -> int:
        """Delete all events, preferences and interests of the user, and return how many events there were."""
        with mapped():
            answer = self._client.profiles.ResetSignals(profile_pb2.ResetSignalsRequest(user_id=user_id))
        return answer.deleted_count

    def deleted_users(self, since: dt.datetime | None) -> Iterator[tuple[str, dt.datetime]]:
        """Yield (hexadecimal SHA-256 of the user_id, deletion time) of deleted users, earliest first.

        Args:
            since: Earliest deletion time; None means all.
        """
        request = profile_pb2.ListDeletedUsersRequest(page_size=100)
        if since is not None:
            request.since.FromDatetime(since)
        with mapped():
            for deleted in self._client.deleted_users(request):
                yield deleted.user_id_hash, deleted.deleted_at.ToDatetime(tzinfo=dt.UTC)
