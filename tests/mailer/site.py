"""The web pages, served from a thread over a real socket."""

import contextlib
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.client import HTTPMessage
from typing import Any

import uvicorn

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.links import Links
from mailer.service import FeedService
from mailer.storage import MailStore
from mailer.web.app import Site
from mailer.web.connections import web_config
from mailer.web.server import Courier


@dataclass(frozen=True)
class Answer:
    """A response of the web pages."""

    status: int
    headers: HTTPMessage
    text: str


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


@dataclass(frozen=True)
class RunningSite:
    """Running web pages with their address and links."""

    base_url: str
    links: Links

    def ask(self, url: str, form: dict[str, Any] | None = None, method: str | None = None, **headers: str) -> Answer:
        """Send one request, a POST if a form is given, without following redirects."""
        data = None if form is None else urllib.parse.urlencode(form, doseq=True).encode()
        address = url if "://" in url else self.base_url + url
        request = urllib.request.Request(address, data=data, method=method)
        request.add_header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with _OPENER.open(request, timeout=20) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read().decode())


@contextlib.contextmanager
def running_site(
    store: MailStore,
    service: FeedService,
    settings: MailSettings,
    clock: Clock,
    *,
    courier: bool = False,
    page_user: str = "",
) -> Iterator[RunningSite]:
    """Serve the pages on a free port, with or without the background thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = replace(settings, base_url=base_url, page_user=page_user)
    background = Courier(store, service, settings, clock, poll_seconds=0.5)
    site = Site(store, service, settings, clock, background.wake)
    server = uvicorn.Server(web_config(site.app(), settings))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
    thread.start()
    if courier:
        background.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield RunningSite(base_url, Links(store.signing_key(), base_url))
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
        if courier:
            background.stop()
