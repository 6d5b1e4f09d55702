"""TLS of the server. Its files are read again when they change, without a restart."""

import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc

from service.domain.errors import InvalidField

_log = logging.getLogger("paperfeed.tls")
_State = tuple[tuple[int, int, int], ...]
"""Time of change, inode and size of each file."""


class Certificates:
    """The server's certificate and key, and the authorities of its clients.

    gRPC asks before each new connection for another certificate. Connections that are open keep theirs, so no call is
    lost. Files that cannot be used, for example because only one of a pair has been replaced yet, change nothing.

    Args:
        certificate: PEM file with the certificate chain.
        key: PEM file with its private key.
        client_ca: PEM file with the authorities that sign client certificates; clients need one then. None: clients
            need none.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._state: _State = ()
        self._refused: _State | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of a port.

        Raises:
            InvalidField: A file cannot be used.
        """
        try:
            self._state = self._read_state()
            first = self._read()
        except (OSError, ValueError) as error:
            raise InvalidField("server TLS", str(error)) from error
        # The stubs do not know that None means no change.
        changed: Callable[[], Any] = self._changed
        return grpc.dynamic_ssl_server_credentials(
            first, changed, require_client_authentication=self._client_ca is not None
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what the files hold now, if they have changed and can be used. gRPC calls this in its own thread."""
        found: _State = ()
        try:
            found = self._read_state()
            if found in {self._state, self._refused}:
                return None
            configuration = self._read()
        except (OSError, ValueError) as error:
            # Logged once for each change; a file that is missing has no state.
            if found != self._refused:
                facts = {"problem": str(error), "certificate": str(self._certificate)}
                _log.warning("new TLS files cannot be used; the old certificate stays", extra={"facts": facts})
            self._refused = found
            return None
        self._state, self._refused = found, None
        _log.info("new TLS certificate", extra={"facts": {"certificate": str(self._certificate)}})
        return configuration

    def _read_state(self) -> _State:
        # Kubernetes replaces a symbolic link to the folder of the files, so the file behind the link counts.
        found = [path.stat() for path in self._paths()]
        return tuple((each.st_mtime_ns, each.st_ino, each.st_size) for each in found)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        """Return the configuration that the files make.

        Raises:
            OSError: A file cannot be read.
            ValueError: A file holds no certificate or key, or the two do not belong together.
        """
        # gRPC would take any content, and then fail in every handshake.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contents = [path.read_bytes() for path in self._paths()]
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
            if self._client_ca is not None:
                context.load_verify_locations(self._client_ca)
        except ssl.SSLError as error:
            names = ", ".join(str(path) for path in self._paths())
            raise ValueError(f"{names} cannot be used: {error.reason or error}") from error
        if contents != [path.read_bytes() for path in self._paths()]:
            raise ValueError("the TLS files are being replaced")
        certificate, key, *authorities = contents
        return grpc.ssl_server_certificate_configuration([(key, certificate)], next(iter(authorities), None))

    def _paths(self) -> Sequence[Path]:
        paths = (self._certificate, self._key)
        return paths if self._client_ca is None else (*paths, self._client_ca)


def _no_password() -> str:
    raise ValueError("the private key is encrypted with a password, which gRPC cannot take")
