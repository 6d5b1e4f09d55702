"""Finds out whose page a request wants: that of a signed-in subscriber, or the one user of a personal installation."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from mailer.config import MailSettings
from mailer.domain.subscription import Subscriber
from mailer.errors import LinkRefused, NotFound
from mailer.links import DAY_SECONDS, Claim, Links, Purpose
from mailer.networks import is_loopback
from mailer.storage import MailStore, subscribers

COOKIE = "paperfeed"
COOKIE_SECONDS = 90 * DAY_SECONDS
NOBODY = "-"
"""Stands for the subscriber in links of the personal installation's user, who has no subscription."""
_FORWARDING = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


@dataclass(frozen=True)
class PageUser:
    """The user whose page is shown. ``subscriber`` is None in a personal installation."""

    user_id: str
    subscriber: Subscriber | None = None

    @property
    def subscriber_id(self) -> str:
        """Names the user in links."""
        return self.subscriber.subscriber_id if self.subscriber else NOBODY


class PageUsers:
    """Identifies users, signs them in and out."""

    def __init__(self, store: MailStore, settings: MailSettings, links: Links) -> None:
        self._store = store
        self._settings = settings
        self._links = links
        # A public base URL says that the pages are for others, even if a proxy on this machine calls them.
        served_host = urlsplit(settings.base_url).hostname or ""
        self._is_personal = (
            bool(settings.page_user)
            and is_loopback(settings.host)
            and is_loopback(served_host)
            and not settings.trusted_proxies
        )

    def find(self, request: Request) -> PageUser | None:
        """Return the user whom the cookie names, else the user of a personal installation, else None."""
        return self._signed_in(request) or (PageUser(self._settings.page_user) if self._is_own(request) else None)

    def of_claim(self, claim: Claim) -> PageUser:
        """Return the user whom a link names.

        Raises:
            LinkRefused: The link belongs to the user of a personal installation, and this is none.
            NotFound: The subscriber was removed.
        """
        if claim.subscriber_id == NOBODY:
            if not self._is_personal:
                raise LinkRefused("it was made while the page had no sign-in")
            return PageUser(self._settings.page_user)
        with self._store.read() as connection:
            subscriber = subscribers.find(connection, claim.subscriber_id)
        if subscriber is None:
            raise NotFound("subscriber", claim.subscriber_id)
        return PageUser(subscriber.user_id, subscriber)

    def sign_in(self, response: Response, claim: Claim) -> None:
        """Set the cookie of the subscriber whom a link names. It is valid as long as a link of the same age."""
        token = self._links.token(Claim(Purpose.OPEN, claim.subscriber_id, made_at=claim.made_at))
        is_secure = self._settings.base_url.startswith("https://")
        response.set_cookie(COOKIE, token, COOKIE_SECONDS, httponly=True, secure=is_secure, samesite="lax")

    def sign_out(self, response: Response) -> None:
        """Remove the cookie."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    def _signed_in(self, request: Request) -> PageUser | None:
        token = request.cookies.get(COOKIE)
        try:
            return self.of_claim(self._links.read(Purpose.OPEN, token)) if token else None
        except (LinkRefused, NotFound):
            return None

    def _is_own(self, request: Request) -> bool:
        """Return whether a browser on this machine sent the request, to this machine's own name, through no proxy.

        The name matters: a page of another site can lead its own name to this machine (DNS rebinding).
        """
        client = request.client.host if request.client else ""
        is_direct = not any(name in request.headers for name in _FORWARDING)
        return self._is_personal and is_direct and is_loopback(client) and is_loopback(request.url.hostname or "")
