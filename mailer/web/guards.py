"""Limits on the size and rate of requests, and security headers of all responses."""

from urllib.parse import parse_qs

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailer.networks import client_key
from mailer.web.forms import Form

MAX_BODY_BYTES = 64 * 1024
FORM_TYPE = "application/x-www-form-urlencoded"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # The page's address contains the subscriber's token, which must not reach the paper's site.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}


PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # These addresses contain no token, and browsers then name the origin of a form.
    "Referrer-Policy": "same-origin",
}
"""In place of ``HEADERS`` on pages that use our own script."""


class SafeHeaders:
    """Middleware that adds ``HEADERS`` to all responses; a response may set its own value."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


async def read_form(request: Request) -> Form:
    """Return the fields of a submitted form (application/x-www-form-urlencoded).

    Raises:
        HTTPException: The body is larger than ``MAX_BODY_BYTES``, or has another type.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413)
    if body and request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower() != FORM_TYPE:
        raise HTTPException(415)
    return parse_qs(body.decode(errors="replace"), keep_blank_values=True)


class RateLimit:
    """Limits the requests of each client in the memory of this process; see ``client_key`` for what is one client.

    Args:
        rate: Limit as the library ``limits`` writes it, e.g. ``10/minute``.
    """

    def __init__(self, rate: str) -> None:
        self._item: RateLimitItem = parse(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def allows(self, request: Request) -> bool:
        """Count the request and return whether its client is within the limit."""
        host = request.client.host if request.client else "unknown"
        return self.allows_key(client_key(host))

    def allows_key(self, key: str) -> bool:
        """Count a request under this key and return whether it is within the limit."""
        return self._limiter.hit(self._item, key)


def is_cross_site(request: Request, base_url: str) -> bool:
    """Return whether a page of another site sent the request; False if the browser does not say.

    The check guards every form whose effect depends on a cookie, on the browser's address, or on nothing at all.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and origin not in {base_url.rstrip("/"), str(request.base_url).rstrip("/")}
