"""The routes of the web pages. Handlers are plain functions that run in threads, because the database blocks."""

from collections.abc import Callable
from functools import partial
from typing import Any
from zoneinfo import available_timezones

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.domain.subscription import Subscriber, SubscriptionState
from mailer.errors import InvalidField, LinkRefused, MailerError, NotFound, ServiceUnavailable, StorageUnavailable
from mailer.issues.rendering import render
from mailer.links import ACTIONS, Claim, Links, Purpose
from mailer.service import FeedService
from mailer.storage import MailStore, issues, reactions, subscribers
from mailer.subscribers.subscriptions import Subscriptions, check_name
from mailer.web import forms
from mailer.web.forms import Form
from mailer.web.guards import PAGE_HEADERS, RateLimit, SafeHeaders, is_cross_site, read_form
from mailer.web.issue_page import ACTION_WORDS, shown_papers
from mailer.web.observed import Observed
from mailer.web.reactions import Reactions
from mailer.web.reading.categories import suggested_topics
from mailer.web.reading.site import Reading
from mailer.web.starting_points import MAX_PAPERS, StartingPoints

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ARCHIVE_SIZE = 100
Handler = Callable[[Request, Form], Response]


class Site:
    """The web pages as one application.

    Args:
        wake: Called after a confirmation or reaction was stored, to have it sent at once.
    """

    def __init__(
        self,
        store: MailStore,
        service: FeedService,
        settings: MailSettings,
        clock: Clock,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._service = service
        self._settings = settings
        self._clock = clock
        self._wake = wake
        self._links = Links(store.signing_key(), settings.base_url)
        self._subscriptions = Subscriptions(store, clock)
        self._reactions = Reactions(store, clock)
        self._any_rate = RateLimit("300/minute")
        self._subscribe_rate = RateLimit("10/hour")
        self._reading = Reading(store, service, settings, clock, self._links, wake)
        self._starting_points = StartingPoints(service, clock)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            *self._reading.routes(self._route, self._home),
            self._route("/subscribe", self._home),
            self._route("/subscribe", self._subscribe, "POST"),
            self._route("/confirm/{token}", self._confirm_page),
            self._route("/confirm/{token}", self._confirm, "POST"),
            self._unsubscribe_route(self._unsubscribe_page, "GET"),
            self._unsubscribe_route(self._unsubscribe, "POST"),
            self._route("/preferences/{token}", self._preferences_page),
            self._route("/preferences/{token}", self._preferences, "POST"),
            self._route("/archive/{token}", self._archive),
            self._route("/view/{token}", self._view),
            self._route("/click/{token}", self._click),
            *(self._route(f"/{each.value}/{{token}}", partial(self._action_page, each)) for each in ACTIONS),
            *(self._route(f"/{each.value}/{{token}}", partial(self._act, each), "POST") for each in ACTIONS),
            Route("/healthz", lambda _: PlainTextResponse("ok")),
            Mount("/static", StaticFiles(packages=[("mailer.web", "static")])),
        ]
        handlers: dict[Any, Any] = {HTTPException: self._http_error, ClientDisconnect: lambda *_: Response()}
        middleware = [Middleware(Observed), Middleware(SafeHeaders)]
        return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)

    def _route(self, path: str, handler: Handler, method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            form = await read_form(request) if method == "POST" else {}
            return await run_in_threadpool(self._guarded, handler, request, form)

        return Route(path, endpoint, methods=[method])

    def _unsubscribe_route(self, handler: Handler, method: str) -> Route:
        """Return a route without a rate limit for valid tokens.

        Large mail providers send the one-click POSTs (RFC 8058) of many subscribers from few addresses. The body is
        not parsed: the token contains everything, and no form of a body can prevent unsubscribing.
        """

        def endpoint(request: Request) -> Response:
            try:
                return handler(request, {})
            except MailerError as error:
                is_refused = isinstance(error, LinkRefused) and not self._any_rate.allows(request)
                return self._too_many() if is_refused else self._message(*_error_texts(error))

        return Route("/unsubscribe/{token}", endpoint, methods=[method])

    def _too_many(self) -> Response:
        return self._message("Too many requests", "Please wait a minute and try again.", 429)

    def _guarded(self, handler: Handler, request: Request, form: Form) -> Response:
        if not self._any_rate.allows(request):
            return self._too_many()
        try:
            return handler(request, form)
        except MailerError as error:
            return self._message(*_error_texts(error))

    async def _http_error(self, _request: Request, error: HTTPException) -> Response:
        titles = {
            404: "There is no such page",
            405: "This action is not possible",
            413: "The form is too large",
            415: "The form is of an unknown type",
        }
        text = "Please check the address, or begin at the front page."
        return self._message(titles.get(error.status_code, "An error"), text, error.status_code)

    def _message(self, title: str, text: str, status: int = 200) -> Response:
        return self._page("message", status, title=title, text=text)

    def _page(self, template: str, status: int = 200, **facts: Any) -> Response:
        return HTMLResponse(render(f"web/{template}.html", sender=self._settings.sender_name, **facts), status)

    def _claim(self, request: Request, purpose: Purpose) -> Claim:
        return self._links.read(purpose, request.path_params["token"])

    def _subscriber(self, claim: Claim) -> Subscriber:
        with self._store.read() as connection:
            found = subscribers.find(connection, claim.subscriber_id)
        if found is None:
            raise NotFound("subscriber", claim.subscriber_id)
        return found

    # ------------------------------------------------------------------------------------------------- subscriptions

    def _home(self, _request: Request, _form: Form) -> Response:
        page = self._page("home", days=DAYS, zones=sorted(available_timezones()))
        page.headers.update(PAGE_HEADERS)
        return page

    def _subscribe(self, request: Request, form: Form) -> Response:
        if is_cross_site(request, self._settings.base_url):
            return self._message("Please use the form on this site", "This request came from another site.", 403)
        if not self._subscribe_rate.allows(request):
            return self._message("Too many requests", "Please try again in an hour.", 429)
        address, schedule, paper_count = forms.text(form, "address"), forms.schedule(form), forms.paper_count(form, 10)
        if self._subscriptions.request(address, schedule, paper_count, _source(request)):
            self._wake()
        # The answer is the same for all addresses, so that strangers learn nothing about an address.
        return self._message(
            "Please check your inbox",
            "If this address can receive our mail and has no subscription yet, we will send it a message with a link. "
            "You get no other mail unless you open the link and confirm.",
        )

    def _confirm_page(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.CONFIRM)
        subscriber = self._subscriber(claim)
        if subscriber.confirm_nonce != claim.detail:
            raise LinkRefused("it was used already, or a newer one was sent")
        return self._page(
            "confirm", address=subscriber.address, topics=suggested_topics(self._service), max_papers=MAX_PAPERS
        )

    def _confirm(self, request: Request, form: Form) -> Response:
        claim = self._claim(request, Purpose.CONFIRM)
        subscriber = self._subscriptions.confirm(claim, _source(request))
        self._wake()
        topics, authors, papers = (forms.lines(form, name) for name in ("topics", "authors", "papers"))
        begun = self._starting_points.begin(subscriber.user_id, topics, authors, papers)
        preferences_url = self._links.url(Purpose.PREFERENCES, subscriber.subscriber_id, parent=claim)
        open_url = self._links.url(Purpose.OPEN, subscriber.subscriber_id, parent=claim)
        return self._page("confirmed", preferences_url=preferences_url, open_url=open_url, begun=begun)

    def _unsubscribe_page(self, request: Request, _form: Form) -> Response:
        self._claim(request, Purpose.UNSUBSCRIBE)
        return self._page(
            "button",
            title="Unsubscribe?",
            text="You will get no more issues. You can come back at any time.",
            button="Unsubscribe",
        )

    def _unsubscribe(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.UNSUBSCRIBE)
        self._subscriptions.unsubscribe(claim, _source(request))
        return self._message("You are unsubscribed", "No more issues will be sent to you. Sorry to see you go.")

    def _preferences_page(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.PREFERENCES)
        subscriber = self._subscriber(claim)
        try:
            preferences = self._service.preferences(subscriber.user_id)
        except ServiceUnavailable:
            preferences = None
        return self._page(
            "preferences",
            subscriber=subscriber,
            preferences=preferences,
            days=DAYS,
            zones=sorted(available_timezones()),
            topics=suggested_topics(self._service) if preferences else [],
            is_active=subscriber.state is SubscriptionState.ACTIVE,
            archive_url=self._links.url(Purpose.ARCHIVE, subscriber.subscriber_id, parent=claim),
            unsubscribe_url=self._links.url(Purpose.UNSUBSCRIBE, subscriber.subscriber_id, parent=claim),
        )

    def _preferences(self, request: Request, form: Form) -> Response:
        subscriber = self._subscriber(self._claim(request, Purpose.PREFERENCES))
        # The form is checked as a whole before anything is stored. The service may refuse values, so it comes first.
        schedule, count = forms.schedule(form), forms.paper_count(form, subscriber.paper_count)
        name = check_name(forms.text(form, "name"))
        if (wanted := forms.preferences(form)) is not None:
            self._service.update_preferences(subscriber.user_id, wanted)
        has_sections = bool(form.get("has_sections"))
        self._subscriptions.change(subscriber.subscriber_id, schedule, count, name, has_sections=has_sections)
        return self._message("Saved", "The changes apply from your next issue.")

    # -------------------------------------------------------------------------------------------------------- issues

    def _archive(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.ARCHIVE)
        subscriber_id = self._subscriber(claim).subscriber_id
        with self._store.read() as connection:
            found = issues.list_of(connection, subscriber_id, ARCHIVE_SIZE)
        shown = [
            (each.subject, each.created_at, self._links.url(Purpose.VIEW, subscriber_id, each.issue_id, parent=claim))
            for each in found
        ]
        return self._page("archive", issues=shown)

    def _view(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.VIEW)
        subscriber = self._subscriber(claim)
        with self._store.read() as connection:
            issue = issues.find(connection, claim.issue_id)
            papers = issues.papers_of(connection, claim.issue_id)
            held = reactions.latest(connection, claim.issue_id)
        if issue is None or issue.subscriber_id != subscriber.subscriber_id:
            raise NotFound("issue", claim.issue_id)
        try:
            more = {each.position: each for each in self._service.slate(issue.slate_id).papers}
        except (ServiceUnavailable, NotFound):
            more = {}
        shown = shown_papers(self._links, claim, papers, more, held, track_clicks=self._settings.track_clicks)
        return self._page("issue", subject=issue.subject, made_at=issue.created_at, papers=shown)

    def _action_page(self, purpose: Purpose, request: Request, _form: Form) -> Response:
        place = self._reactions.place(self._claim(request, purpose))
        _, label, _ = ACTION_WORDS[purpose]
        return self._page("button", title=f"{label}?", text=place.paper.title, button=label)

    def _act(self, purpose: Purpose, request: Request, form: Form) -> Response:
        claim = self._claim(request, purpose)
        place = self._reactions.place(claim)
        event_type, _, done = ACTION_WORDS[purpose]
        is_undo = bool(form.get("undo"))
        if self._reactions.react(place, "unlike" if is_undo else event_type):
            self._wake()
        view_url = self._links.url(Purpose.VIEW, claim.subscriber_id, claim.issue_id, parent=claim)
        return self._page("done", title="Undone" if is_undo else done, text=place.paper.title, view_url=view_url)

    def _click(self, request: Request, _form: Form) -> Response:
        place = self._reactions.place(self._claim(request, Purpose.CLICK))
        if not place.paper.url.startswith(("https://", "http://")):
            raise LinkRefused("the paper has no web address")
        if request.method != "HEAD":
            purposes = (request.headers.get(name, "") for name in ("sec-purpose", "purpose", "x-moz"))
            is_prefetch = any("prefetch" in each or "preview" in each for each in purposes)
            self._reactions.click(place, request.headers.get("user-agent", ""), is_prefetch=is_prefetch)
        return RedirectResponse(place.paper.url, status_code=303)


def _error_texts(error: MailerError) -> tuple[str, str, int]:
    """Return (title, text, HTTP status) of the page that shows the error to a subscriber."""
    match error:
        case LinkRefused():
            return "This link does not work", f"Sorry: {error.problem}.", 403
        case NotFound():
            return "There is no such page", "What this link leads to does not exist, or was deleted.", 404
        case InvalidField():
            return "Invalid value", f"{error.field}: {error.problem}. Please go back and correct it.", 400
        case ServiceUnavailable() | StorageUnavailable():
            return "Temporarily unavailable", "Please try again in a minute.", 503
    return "An error", str(error), 400


def _source(request: Request) -> str:
    return f"web {request.client.host if request.client else 'unknown'}"
