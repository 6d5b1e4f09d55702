"""The pages that a user opens. None of them changes anything in the mailer; a feed makes a slate in the service."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mailer.config import MailSettings
from mailer.domain.feed import Feed, FeedPaper, Preferences
from mailer.errors import InvalidField, NotFound, ServiceUnavailable
from mailer.issues.reasons import fallback_in_words
from mailer.issues.rendering import render
from mailer.links import Links, Purpose
from mailer.service import FeedService
from mailer.storage import MailStore, issues, runs
from mailer.web.forms import Form
from mailer.web.guards import PAGE_HEADERS
from mailer.web.reading.cards import Card, cards
from mailer.web.reading.categories import suggested_topics
from mailer.web.reading.interests import next_weights
from mailer.web.reading.users import PageUser

SIMILAR_COUNT = 8
ISSUES_LISTED = 30
DIGESTS_LISTED = 200
LIKES_LOOKED_UP = 100
"""Newest likes that search results and similar papers are marked with."""
LISTS = {
    "followed_topics": ("Topics you follow", "topic"),
    "followed_authors": ("Authors you follow", "author"),
    "muted_topics": ("Topics you muted", "topic"),
    "muted_authors": ("Authors you muted", "author"),
    "muted_keywords": ("Words you muted", "word"),
}
"""(heading, noun) of each list of the preferences."""
DONE = {
    "like": "Liked. Your next list has more like this.",
    "save": "Saved. It counts as a like, too.",
    "dislike": "Noted. Your next list has less like this.",
    "unlike": "Undone.",
}
"""What a reaction does, in words, by event type."""
UserHandler = Callable[[PageUser, Request, Form], Response]


class Pages:
    """Handlers of GET requests, each for an identified user."""

    def __init__(self, store: MailStore, service: FeedService, settings: MailSettings, links: Links) -> None:
        self._store = store
        self._service = service
        self._settings = settings
        self._links = links

    def page(self, template: str, status: int = 200, *, user: PageUser | None = None, **facts: Any) -> Response:
        """Return the rendered template. Without a user, it has no navigation."""
        shared: dict[str, Any] = {"sender": self._settings.sender_name, "user": user, "query": "", "here": ""}
        return HTMLResponse(render(template, **{**shared, **facts}), status, headers=PAGE_HEADERS)

    def feed(self, user: PageUser, request: Request, _form: Form) -> Response:
        """Show the feed of the newest digest, or of the one that ``day`` names; ``more`` names a later page.

        With ``sections``, the feed has a section for each interest.
        """
        day, more = (request.query_params.get(name, "") for name in ("day", "more"))
        by_interest = request.query_params.get("sections") == "1"
        try:
            feed, next_token = self._service.feed(user.user_id, day, more, by_interest=by_interest)
        except InvalidField:
            # The token is of an earlier digest: begin again.
            feed, next_token = self._service.feed(user.user_id, day, by_interest=by_interest)
        named = {"day": day} if day else {}
        kept = {**named, **({"sections": "1"} if by_interest else {})}
        other = {**named, **({} if by_interest else {"sections": "1"})}
        return self.page(
            "reading/feed.html",
            user=user,
            here="feed",
            sections=_sections(feed),
            by_interest=by_interest,
            other_url="/" + (f"?{urlencode(other)}" if other else ""),
            heading=self._heading(feed, is_newest=not day),
            note=fallback_in_words(feed),
            is_new=feed.fallback == "new_user",
            has_digest=bool(feed.digest_id),
            fetched="" if feed.digest_id else self._fetched(),
            is_later=bool(more),
            more_url=f"/?{urlencode({**kept, 'more': next_token})}" if next_token else "",
            done=self._done(request),
            back=_own_address(request, "day", "sections"),
        )

    def earlier(self, user: PageUser, _request: Request, _form: Form) -> Response:
        """Show the digests, and the issues that were mailed to a subscriber."""
        mailed: list[tuple[str, Any, str]] = []
        if user.subscriber:
            with self._store.read() as connection:
                found = issues.list_of(connection, user.subscriber_id, ISSUES_LISTED)
            mailed = [
                (each.subject, each.created_at, self._links.url(Purpose.VIEW, user.subscriber_id, each.issue_id))
                for each in found
            ]
        listed = islice(self._service.digests(), DIGESTS_LISTED)
        digests = [(digest, f"/?{urlencode({'day': digest.digest_id})}") for digest in listed]
        return self.page("reading/earlier.html", user=user, here="earlier", digests=digests, mailed=mailed)

    def search(self, user: PageUser, request: Request, _form: Form) -> Response:
        """Show the papers of the catalog that contain all words of ``q``."""
        query, token, problem = request.query_params.get("q", "").strip(), request.query_params.get("more", ""), ""
        found: list[FeedPaper] = []
        next_token = ""
        if query:
            try:
                found, next_token = self._service.search(query, token)
            except InvalidField as error:
                problem = error.problem
        return self.page(
            "reading/search.html",
            user=user,
            here="search",
            query=query,
            papers=self._marked(user, found),
            problem=problem,
            is_later=bool(token),
            more_url=f"/search?{urlencode({'q': query, 'more': next_token})}" if next_token else "",
            done=self._done(request),
            back=_own_address(request, "q"),
        )

    def paper(self, user: PageUser, request: Request, _form: Form) -> Response:
        """Show one paper with its abstract, and the papers most similar to it."""
        paper_id = request.path_params["paper_id"]
        (paper,) = self._service.papers([paper_id], abstracts=True)
        similar = self._marked(user, self._service.similar(paper_id, SIMILAR_COUNT))
        slate_id = request.query_params.get("slate", "")
        (card,) = self._marked(user, [paper], slate_id)
        return self.page(
            "reading/paper.html",
            user=user,
            paper=card,
            similar=similar,
            done=self._done(request),
            back=f"/paper/{quote(paper.paper_id)}",
        )

    def saved(self, user: PageUser, request: Request, _form: Form) -> Response:
        """Show the papers that the user saved or, with ``all``, also the liked ones, newest first."""
        is_all = "all" in request.query_params
        held, next_token = self._service.likes(
            user.user_id, request.query_params.get("more", ""), saved_only=not is_all
        )
        found = self._service.papers(list(held), abstracts=True) if held else []
        kept = {"all": "1"} if is_all else {}
        return self.page(
            "reading/saved.html",
            user=user,
            here="saved",
            papers=cards(found, held=held),
            is_all=is_all,
            more_url=f"/saved?{urlencode({**kept, 'more': next_token})}" if next_token else "",
            done=self._done(request),
            back=_own_address(request, "all"),
        )

    def interests(self, user: PageUser, request: Request, _form: Form) -> Response:
        """Show what the feed is made from: interests, and followed and muted topics and authors."""
        profile = self._service.profile(user.user_id)
        examples = list(dict.fromkeys(each for interest in profile.interests for each in interest.paper_ids))
        titles = {paper.paper_id: paper for paper in self._service.papers(examples)} if examples else {}
        lists = [
            (name, heading, noun, getattr(profile.preferences, name))
            for name, (heading, noun) in LISTS.items()
            if name in Preferences.__dataclass_fields__
        ]
        return self.page(
            "reading/interests.html",
            user=user,
            here="interests",
            profile=profile,
            interests=[
                (
                    each,
                    [titles[paper_id] for paper_id in each.paper_ids if paper_id in titles],
                    next_weights(each.weight),
                )
                for each in profile.interests
            ],
            lists=lists,
            topics=suggested_topics(self._service, profile),
            atom_url=self._links.url(Purpose.ATOM, user.subscriber_id),
            preferences_url=(self._links.url(Purpose.PREFERENCES, user.subscriber_id) if user.subscriber else ""),
            added=request.query_params.get("added", ""),
            created=request.query_params.get("created", ""),
            part_id=f"part-{secrets.token_hex(8)}",
            missing=request.query_params.get("missing", ""),
        )

    def _fetched(self) -> str:
        """Return what is known of the last fetch that the schedule of this machine ran; empty without one."""
        with self._store.read() as connection:
            last = next(iter(runs.newest(connection, runs.FETCH, 1)), None)
        if last is None:
            return ""
        return last.problem or f"the last fetch, at {last.ended_at:%Y-%m-%d %H:%M} UTC, brought none"

    def _heading(self, feed: Feed, *, is_newest: bool) -> str:
        digest = next((each for each in self._service.digests() if each.digest_id == feed.digest_id), None)
        if digest is None:
            return "Your papers"
        day = f"{digest.date:%A, %-d %B %Y}"
        return day if is_newest else f"Papers of {day}"

    def _marked(self, user: PageUser, papers: Sequence[FeedPaper], slate_id: str = "") -> list[Card]:
        """Return the cards with the user's newest likes and saves pressed."""
        held, _ = self._service.likes(user.user_id, page_size=LIKES_LOOKED_UP) if papers else ({}, "")
        return cards(papers, slate_id, held=held)

    def _done(self, request: Request) -> dict[str, str] | None:
        """Return what the reaction before this page did, and the paper to undo it for; None if there was none."""
        did, paper_id = (request.query_params.get(name, "") for name in ("did", "paper"))
        if did not in DONE or not paper_id:
            return None
        try:
            (paper,) = self._service.papers([paper_id])
        except (NotFound, InvalidField, ServiceUnavailable):
            return None
        slate_id = request.query_params.get("slate", "")
        return {"text": DONE[did], "did": did, "title": paper.title, "paper_id": paper.paper_id, "slate_id": slate_id}


def _sections(feed: Feed) -> list[tuple[str, list[Card]]]:
    """Return (name of the interest, cards) of each section with papers; one without a name for a single list."""
    names = dict(feed.sections)
    groups: dict[str, list[FeedPaper]] = {interest_id: [] for interest_id in names}
    for paper in feed.papers:
        groups.setdefault(paper.interest_id if paper.interest_id in names else "", []).append(paper)
    return [
        (names.get(each, ""), cards([_without_reason(paper, names.get(each, "")) for paper in papers], feed.slate_id))
        for each, papers in groups.items()
        if papers
    ]


def _without_reason(paper: FeedPaper, topic: str) -> FeedPaper:
    """Return the paper without the reason that it is about this topic, which the heading of its section says."""
    return replace(
        paper, reasons=tuple(each for each in paper.reasons if (each.kind, each.subject) != ("topic", topic))
    )


def _own_address(request: Request, *names: str) -> str:
    """Return the address of this page with only these parameters of the query."""
    kept = {name: request.query_params[name] for name in names if name in request.query_params}
    return request.url.path + (f"?{urlencode(kept)}" if kept else "")
