"""The routes. Handlers are plain functions, run in threads: what they wait for is the database."""

from collections.abc import Callable
from typing import Any
from zoneinfo import available_timezones

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.errors import InvalidField, LinkRefused, MailerError, NotFound, ServiceUnavailable, StorageUnavailable
from mailer.links import ACTIONS, Claim, Links, Purpose
from mailer.service import FeedService
from mailer.storage import MailStore, issues, subscribers
from mailer.subscribers.subscription import Subscriber, SubscriptionState
from mailer.subscribers.subscriptions import Subscriptions
from mailer.web import forms
from mailer.web.forms import Form
from mailer.web.guards import RateLimit, SafeHeaders, SmallBodies, is_cross_site
from mailer.web.issue_page import ACTION_WORDS, shown_papers
from mailer.web.pages import message_page, page
from mailer.web.reacting import Reactions

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ARCHIVE_SIZE = 100


class Site:
    """All pages.

    Args:
        wake: Called when something was stored that is to be sent or told on.
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

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            self._route("/", self._home),
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
            *(self._route(f"/{each.value}/{{token}}", self._action_page, purpose=each) for each in ACTIONS),
            *(self._route(f"/{each.value}/{{token}}", self._act, "POST", purpose=each) for each in ACTIONS),
            Route("/healthz", lambda _: PlainTextResponse("ok")),
            Mount("/static", StaticFiles(packages=[("mailer.web", "static")])),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(SafeHeaders), Middleware(SmallBodies)],
            exception_handlers={HTTPException: self._http_error},  # type: ignore[dict-item]
        )

    def _route(self, path: str, handler: Callable[..., Response], method: str = "GET", **fixed: Any) -> Route:
        async def endpoint(request: Request) -> Response:
            form: Form = {}
            if method == "POST":
                data = await request.form()
                for name, value in data.multi_items():
                    form.setdefault(name, []).append(value if isinstance(value, str) else "")
            return await run_in_threadpool(self._guarded, handler, request, form, fixed)

        return Route(path, endpoint, methods=[method])

    def _unsubscribe_route(self, handler: Callable[..., Response], method: str) -> Route:
        """Receivers of many readers' mail press one-click from few addresses: only bad tokens are limited.

        The token says all. No body is parsed, so that none can be in the way (RFC 8058 senders use two types).
        """

        def leave(request: Request) -> Response:
            try:
                return handler(request, {})
            except LinkRefused as error:
                return self._says(*_in_words(error)) if self._any_rate.allows(request) else self._too_many()
            except MailerError as error:
                return self._says(*_in_words(error))

        return Route("/unsubscribe/{token}", leave, methods=[method])

    def _too_many(self) -> Response:
        return self._says("Too many requests", "Please wait a minute and try again.", 429)

    def _guarded(
        self, handler: Callable[..., Response], request: Request, form: Form, fixed: dict[str, Any]
    ) -> Response:
        if not self._any_rate.allows(request):
            return self._too_many()
        try:
            return handler(request, form, **fixed)
        except MailerError as error:
            return self._says(*_in_words(error))

    async def _http_error(self, _request: Request, error: HTTPException) -> Response:
        title = {404: "There is no such page", 405: "That is not possible here"}.get(error.status_code, "An error")
        return self._says(title, "Please check the address, or use the links in your mail.", error.status_code)

    def _says(self, title: str, text: str, status: int = 200) -> Response:
        return message_page(title, text, sender=self._settings.sender_name, status=status)

    def _page(self, template: str, **facts: Any) -> Response:
        return page(template, sender=self._settings.sender_name, **facts)

    def _claim(self, request: Request, purpose: Purpose) -> Claim:
        return self._links.read(purpose, request.path_params["token"])

    def _reader(self, claim: Claim) -> Subscriber:
        with self._store.read() as connection:
            found = subscribers.find(connection, claim.subscriber_id)
        if found is None:
            raise NotFound("subscriber", claim.subscriber_id)
        return found

    # ------------------------------------------------------------------------------------------------- subscriptions

    def _home(self, _request: Request, _form: Form) -> Response:
        return self._page("home.html.jinja", days=DAYS, zones=sorted(available_timezones()))

    def _subscribe(self, request: Request, form: Form) -> Response:
        if is_cross_site(request, self._settings.base_url):
            return self._says("Please use our own form", "This request came from another site's page.", 403)
        if not self._subscribe_rate.allows(request):
            return self._says("Too many requests", "Please try again in an hour.", 429)
        address, schedule, paper_count = forms.text(form, "address"), forms.schedule(form), forms.paper_count(form, 10)
        if self._subscriptions.request(address, schedule, paper_count, _source(request)):
            self._wake()
        # The same words whatever the address: a stranger learns nothing about it.
        return self._says(
            "Please look into your inbox",
            "If this address can get mail from us and has no subscription yet, a message with a link is on its way. "
            "Nothing else is sent before you open it and say yes.",
        )

    def _confirm_page(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.CONFIRM)
        reader = self._reader(claim)
        if reader.confirm_nonce != claim.detail:
            raise LinkRefused("it was used already, or a newer one was sent")
        return self._page(
            "button.html.jinja",
            title="Get papers by mail?",
            text=f"{self._settings.sender_name} will go to {reader.address}.",
            button="Yes, send me papers",
        )

    def _confirm(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.CONFIRM)
        reader = self._subscriptions.confirm(claim, _source(request))
        preferences_url = self._links.url(Purpose.PREFERENCES, reader.subscriber_id, parent=claim)
        return self._page("confirmed.html.jinja", preferences_url=preferences_url)

    def _unsubscribe_page(self, request: Request, _form: Form) -> Response:
        self._claim(request, Purpose.UNSUBSCRIBE)
        return self._page(
            "button.html.jinja",
            title="Unsubscribe?",
            text="You will get no more issues. You can come back at any time.",
            button="Unsubscribe",
        )

    def _unsubscribe(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.UNSUBSCRIBE)
        self._subscriptions.unsubscribe(claim, _source(request))
        return self._says("You are unsubscribed", "No more issues will be sent to you. Sorry to see you go.")

    def _preferences_page(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.PREFERENCES)
        reader = self._reader(claim)
        try:
            preferences = self._service.preferences(reader.user_id)
        except ServiceUnavailable:
            preferences = None
        return self._page(
            "preferences.html.jinja",
            reader=reader,
            preferences=preferences,
            days=DAYS,
            zones=sorted(available_timezones()),
            is_active=reader.state is SubscriptionState.ACTIVE,
            archive_url=self._links.url(Purpose.ARCHIVE, reader.subscriber_id, parent=claim),
            unsubscribe_url=self._links.url(Purpose.UNSUBSCRIBE, reader.subscriber_id, parent=claim),
        )

    def _preferences(self, request: Request, form: Form) -> Response:
        reader = self._reader(self._claim(request, Purpose.PREFERENCES))
        # All is checked before anything is stored, and what the service may refuse is stored first.
        schedule, count, name = forms.schedule(form), forms.paper_count(form, reader.paper_count), forms.name_of(form)
        if (wanted := forms.preferences(form)) is not None:
            self._service.update_preferences(reader.user_id, wanted)
        self._subscriptions.change(reader.subscriber_id, schedule, count, name)
        return self._says("Saved", "The next issue will be as you asked.")

    # -------------------------------------------------------------------------------------------------------- issues

    def _archive(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.ARCHIVE)
        reader_id = self._reader(claim).subscriber_id
        with self._store.read() as connection:
            found = issues.list_of(connection, reader_id, ARCHIVE_SIZE)
        shown = [
            (each.subject, each.created_at, self._links.url(Purpose.VIEW, reader_id, each.issue_id, parent=claim))
            for each in found
        ]
        return self._page("archive.html.jinja", issues=shown)

    def _view(self, request: Request, _form: Form) -> Response:
        claim = self._claim(request, Purpose.VIEW)
        reader = self._reader(claim)
        with self._store.read() as connection:
            issue = issues.find(connection, claim.issue_id)
            papers = issues.papers_of(connection, claim.issue_id)
        if issue is None or issue.subscriber_id != reader.subscriber_id:
            raise NotFound("issue", claim.issue_id)
        try:
            more = {each.position: each for each in self._service.slate(issue.slate_id).papers}
        except (ServiceUnavailable, NotFound):
            more = {}
        shown = shown_papers(self._links, claim, papers, more, self._reactions.held(issue.issue_id))
        return self._page("issue.html.jinja", subject=issue.subject, made_at=issue.created_at, papers=shown)

    def _action_page(self, request: Request, _form: Form, purpose: Purpose) -> Response:
        place = self._reactions.place(self._claim(request, purpose))
        _, label, _ = ACTION_WORDS[purpose]
        return self._page("button.html.jinja", title=f"{label}?", text=place.paper.title, button=label)

    def _act(self, request: Request, form: Form, purpose: Purpose) -> Response:
        claim = self._claim(request, purpose)
        place = self._reactions.place(claim)
        event_type, _, done = ACTION_WORDS[purpose]
        is_undo = bool(form.get("undo"))
        if self._reactions.react(place, "unlike" if is_undo else event_type):
            self._wake()
        view_url = self._links.url(Purpose.VIEW, claim.subscriber_id, claim.issue_id, parent=claim)
        return self._page(
            "done.html.jinja", title="Taken back" if is_undo else done, text=place.paper.title, view_url=view_url
        )

    def _click(self, request: Request, _form: Form) -> Response:
        place = self._reactions.place(self._claim(request, Purpose.CLICK))
        if not place.paper.url.startswith(("https://", "http://")):
            raise LinkRefused("the paper has no address")
        if request.method != "HEAD":
            purposes = (request.headers.get(name, "") for name in ("sec-purpose", "purpose", "x-moz"))
            is_prefetch = any("prefetch" in each or "preview" in each for each in purposes)
            self._reactions.click(place, request.headers.get("user-agent", ""), is_prefetch=is_prefetch)
        return RedirectResponse(place.paper.url, status_code=303)


def _in_words(error: MailerError) -> tuple[str, str, int]:
    """(title, text, status) for a reader."""
    match error:
        case LinkRefused():
            return "This link does not work", f"Sorry: {error.problem}.", 403
        case NotFound():
            return "Not here any more", "What this link is about is no longer kept.", 404
        case InvalidField():
            return "That cannot be used", f"{error.field}: {error.problem}. Please go back and mend it.", 400
        case ServiceUnavailable() | StorageUnavailable():
            return "Not now", "Something we need does not answer. Please try again in a minute.", 503
    return "That did not work", str(error), 400


def _source(request: Request) -> str:
    return f"web {request.client.host if request.client else 'unknown'}"
