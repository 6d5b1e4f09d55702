"""Serves the web pages with uvicorn, and sends confirmations and reactions in a background thread."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable

import uvicorn

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.errors import InvalidField, MailerError
from mailer.links import Links
from mailer.measures import mail_measures
from mailer.reporting import forward_reactions
from mailer.sending.confirmations import send_confirmations
from mailer.service import FeedService
from mailer.storage import MailStore, runs
from mailer.web.app import Site
from mailer.web.connections import web_config
from telemetry.setup import Telemetry, TelemetryProblem

_log = logging.getLogger("paperfeed.mail")


class Courier:
    """A background thread that forwards reactions and sends confirmations.

    It works whenever it is woken, and every ``poll_seconds`` otherwise. It repeats jobs that failed.
    """

    def __init__(
        self,
        store: MailStore,
        service: FeedService,
        settings: MailSettings,
        clock: Clock,
        *,
        poll_seconds: float = 20.0,
    ) -> None:
        self._poll_seconds = poll_seconds
        self._jobs: tuple[Callable[[], int], ...] = (
            lambda: forward_reactions(store, service, clock),
            lambda: send_confirmations(store, settings, Links(store.signing_key(), settings.base_url), clock),
        )
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Run the jobs now."""
        self._wake.set()

    @property
    def is_alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the thread after its present job."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._poll_seconds)
            self._wake.clear()
            for job in self._jobs:
                try:
                    job()
                except MailerError as error:
                    facts = {"problem": str(error)}
                    _log.warning("a background job failed; it will be repeated", extra={"facts": facts})
                except Exception:  # noqa: BLE001 (the thread must not die silently)
                    _log.exception("a background job failed; it will be repeated")


def run(
    store: MailStore,
    service: FeedService,
    settings: MailSettings,
    clock: Clock,
    *,
    announce: Callable[[str], None] = lambda _: None,
    telemetry: Telemetry | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the running requests and return.

    Args:
        announce: Called with the web address once the server listens.
        telemetry: Serves metrics and probes on the port of the settings; None serves none. The caller closes it.

    Raises:
        InvalidField: The server cannot listen on the configured address.
    """
    courier = Courier(store, service, settings, clock)
    site = Site(store, service, settings, clock, courier.wake)
    with contextlib.closing(_bound(settings)) as listening:
        host, port = listening.getsockname()[:2]
        server = uvicorn.Server(web_config(site.app(), settings))
        if telemetry is not None:
            _serve_telemetry(telemetry, store, settings, clock, courier, server)
        announce(f"http://{host}:{port}")
        courier.start()
        try:
            server.run(sockets=[listening])
        finally:
            courier.stop()


def _serve_telemetry(
    telemetry: Telemetry,
    store: MailStore,
    settings: MailSettings,
    clock: Clock,
    courier: Courier,
    server: uvicorn.Server,
) -> None:
    def is_ready() -> bool:
        if not server.started or server.should_exit:
            return False
        try:
            with store.read() as connection:
                runs.newest(connection, runs.SEND, 1)
        except MailerError:
            return False
        return True

    try:
        telemetry.serve(
            settings.metrics_host,
            settings.metrics_port,
            measures=mail_measures(store, clock),
            is_live=lambda: courier.is_alive,
            is_ready=is_ready,
        )
    except TelemetryProblem as problem:
        raise InvalidField("PAPERFEED_MAIL_METRICS_PORT", str(problem)) from problem


def _bound(settings: MailSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=128)
    except OSError as error:
        raise InvalidField("PAPERFEED_MAIL_PORT", f"{settings.host}:{settings.port}: {error.strerror}") from None
