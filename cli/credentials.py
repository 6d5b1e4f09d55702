"""Credentials of commands that call a server."""

from typing import TYPE_CHECKING

from service.config import Settings
from service.domain.errors import InvalidField

if TYPE_CHECKING:
    import grpc


def tls_credentials(ca: str | None, cert: str | None, key: str | None) -> "grpc.ChannelCredentials | None":
    """Return the credentials that the options, or else the settings, name; None for a connection without TLS.

    Raises:
        InvalidField: A file cannot be read or used.
    """
    from paperfeed.client import tls_of_files

    settings = Settings.read(tls_ca=ca, tls_cert=cert, tls_key=key)
    try:
        return tls_of_files(settings.tls_ca, settings.tls_cert, settings.tls_key, settings.api_key_file)
    except (OSError, ValueError) as error:
        raise InvalidField("TLS", str(error)) from error
