"""Middleware that records each request: its time, route and status."""

from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry.record import recorder

METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
OTHER = "_OTHER"
"""Stands for methods and paths that clients made up, which must not become labels."""


class Observed:
    """Middleware that records all requests, by the template of their route: a path holds a secret token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        method = scope.get("method", OTHER)
        end = recorder().request(method if method in METHODS else OTHER) if scope["type"] == "http" else None
        if end is None:
            await self._app(scope, receive, send)
            return
        # Found before the call, because routers change the scope.
        route, status = _route(scope["app"].router, scope), 500

        async def with_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, with_status)
        finally:
            end(route, status)


def _route(router: Router, scope: Scope) -> str:
    for route in router.routes:
        if route.matches(scope)[0] is not Match.NONE:
            return str(getattr(route, "path", OTHER))
    return OTHER
