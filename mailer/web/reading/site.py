"""Builds the pages to read on, and their routes."""

from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.links import Links, Purpose
from mailer.service import FeedService
from mailer.storage import MailStore
from mailer.web.forms import Form
from mailer.web.guards import is_cross_site
from mailer.web.reading.actions import Actions
from mailer.web.reading.atom import KEPT_SECONDS, MEDIA_TYPE, AtomFeeds
from mailer.web.reading.interests import InterestActions
from mailer.web.reading.pages import Pages, UserHandler
from mailer.web.reading.sign_in import SignIn
from mailer.web.reading.signals import SignalPages
from mailer.web.reading.users import PageUsers
from mailer.web.reading.why import Why

Handler = Callable[[Request, Form], Response]
MakeRoute = Callable[[str, Handler, str], Route]
SIGN_IN_PURPOSES = (Purpose.SIGN_IN, Purpose.OPEN)


class Reading:
    """The pages to read on.

    Args:
        wake: Called after a link to sign in was requested, to have it sent at once.
    """

    def __init__(
        self,
        store: MailStore,
        service: FeedService,
        settings: MailSettings,
        clock: Clock,
        links: Links,
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._links = links
        self._users = PageUsers(store, settings, links)
        self._pages = Pages(store, service, settings, links)
        self._actions = Actions(service, clock)
        self._interests = InterestActions(service)
        self._why = Why(service, self._pages.page, settings.min_probability)
        self._signals = SignalPages(service, self._pages.page)
        self._sign_in = SignIn(store, self._users, links, clock, self._pages.page, wake)
        self._atom = AtomFeeds(service, settings, clock)

    def routes(self, route: MakeRoute, home: Handler) -> list[Route]:
        """Return the routes.

        Args:
            route: Makes a guarded route from (path, handler, method).
            home: Answers requests of the front page that come from no user.
        """
        pages, actions, sign_in = self._pages, self._actions, self._sign_in
        return [
            route("/", self._for_user(pages.feed, otherwise=home), "GET"),
            *(
                route(path, self._for_user(handler), "GET")
                for path, handler in (
                    ("/earlier", pages.earlier),
                    ("/search", pages.search),
                    ("/saved", pages.saved),
                    ("/interests", pages.interests),
                    ("/paper/{paper_id:path}", pages.paper),
                    ("/why/{paper_id:path}", self._why.show),
                    ("/signals", self._signals.show),
                    ("/signals/reset", self._signals.ask),
                )
            ),
            *(
                route(path, self._own(self._for_user(handler)), "POST")
                for path, handler in (
                    ("/react", actions.react),
                    ("/seen", actions.see),
                    ("/follow", actions.follow),
                    ("/likes", actions.add_likes),
                    ("/interests", self._interests.change),
                    ("/interests/new", self._interests.create),
                    ("/signals/undo", self._signals.undo),
                    ("/signals/reset", self._signals.reset),
                )
            ),
            route("/sign-in", sign_in.form, "GET"),
            route("/sign-in", self._own(sign_in.request), "POST"),
            route("/sign-out", self._own(sign_in.leave), "POST"),
            *(route(f"/{each.value}/{{token}}", partial(sign_in.button, each), "GET") for each in SIGN_IN_PURPOSES),
            *(
                route(f"/{each.value}/{{token}}", self._own(partial(sign_in.enter, each)), "POST")
                for each in SIGN_IN_PURPOSES
            ),
            route("/atom/{token}", self._atom_feed, "GET"),
        ]

    def _for_user(self, handler: UserHandler, otherwise: Handler | None = None) -> Handler:
        """Return a handler that identifies the user, and leads other people to the sign-in."""

        def identified(request: Request, form: Form) -> Response:
            user = self._users.find(request)
            if user is not None:
                return handler(user, request, form)
            return otherwise(request, form) if otherwise else RedirectResponse("/sign-in", status_code=303)

        return identified

    def _own(self, handler: Handler) -> Handler:
        """Return a handler that refuses forms of other sites."""

        def guarded(request: Request, form: Form) -> Response:
            if is_cross_site(request, self._settings.base_url):
                title, text = "Please use the form on this site", "This request came from another site."
                return self._pages.page("web/message.html", 403, title=title, text=text)
            return handler(request, form)

        return guarded

    def _atom_feed(self, request: Request, _form: Form) -> Response:
        claim = self._links.read(Purpose.ATOM, request.path_params["token"])
        user = self._users.of_claim(claim)
        document = self._atom.of_user(user.user_id, self._links.url(Purpose.ATOM, claim.subscriber_id, parent=claim))
        return Response(document, media_type=MEDIA_TYPE, headers={"Cache-Control": f"private, max-age={KEPT_SECONDS}"})
