"""What protects a server, wired as the settings say: identity and limits of callers, audit log, TLS."""

import logging
from pathlib import Path

from service.api.callers import identities
from service.api.callers.audit import CallAudit
from service.api.callers.certificates import Certificates
from service.api.callers.exposure import check_exposure
from service.api.callers.gate import Gate
from service.api.callers.limits import CallerLimits
from service.api.server import MAX_CONNECTION_SECONDS, Port
from service.app.callers.known_callers import KnownCallers
from service.app.ports import Clock, Store
from service.config import MTLS, NO_IDENTITY, Settings
from service.domain.errors import InvalidField

MTLS_CONNECTION_SECONDS = 3_600
"""After this time a client must show its certificate again, so an expired one is refused."""
_log = logging.getLogger("paperfeed.server")


def check_settings(settings: Settings) -> str:
    """Check that the settings protect the server, before anything else is done; return a warning or an empty text.

    Raises:
        InvalidField: Others can reach the server, and callers need no identity; or a file of TLS is not given.
    """
    certificate, key, client_ca = settings.server_tls_cert, settings.server_tls_key, settings.server_client_ca
    if bool(certificate) != bool(key) or (client_ca and not key):
        raise InvalidField("server TLS", "needs a certificate (--tls-cert) and its private key (--tls-key) together")
    if settings.auth == MTLS and not client_ca:
        raise InvalidField("auth", "is mtls, which needs --tls-cert, --tls-key and --client-ca")
    return check_exposure(
        settings.host,
        identifies=settings.auth != NO_IDENTITY or bool(client_ca),
        has_tls=bool(certificate),
        insecure=settings.insecure,
    )


class Guard:
    """The protection of one server process. Call ``start`` before the first call, and ``stop`` after the last.

    Attributes:
        gate: Admits calls.
        audit: Notes admin calls and deletions.
    """

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._known = KnownCallers(store, clock) if settings.auth != NO_IDENTITY else None
        limits = CallerLimits(settings.caller_calls_per_second, settings.caller_concurrent_calls)
        if self._known is None:
            self.gate = Gate(identities.anybody, limits)
        else:
            by = identities.by_certificate if settings.auth == MTLS else identities.by_api_key
            self.gate = Gate(by(self._known), limits, self._known.check_age)
        self.audit = CallAudit(store, clock)

    def port(self, *, is_shared: bool) -> Port:
        """Return the properties of the server's port.

        Raises:
            InvalidField: A file of TLS cannot be used.
        """
        settings = self._settings
        if not settings.server_tls_cert:
            return Port(is_shared)
        paths = (settings.server_tls_cert, settings.server_tls_key, settings.server_client_ca)
        certificates = Certificates(*(Path(path).expanduser() for path in paths if path))
        seconds = MTLS_CONNECTION_SECONDS if settings.server_client_ca else MAX_CONNECTION_SECONDS
        return Port(is_shared, certificates.credentials(), seconds)

    def start(self) -> None:
        """Read the keys.

        Raises:
            StorageUnavailable: The database does not answer.
        """
        if self._known is not None:
            self._known.start()
            if self._known.is_empty:
                _log.warning("nobody can call: there is no valid key; create one with: paperfeed keys create")

    def stop(self) -> None:
        """End the thread that reads the keys."""
        if self._known is not None:
            self._known.stop()
