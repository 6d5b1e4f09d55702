"""Access of commands to a server: TLS, client certificate and API key."""

from typing import TYPE_CHECKING

from cli.options import ServerOptions
from service.config import Settings
from service.domain.errors import InvalidField

if TYPE_CHECKING:
    from paperfeed.client import Access


def server_access(target: str, options: ServerOptions) -> "Access":
    """Return the access that the options, or else the settings, give to the server at an address.

    Raises:
        InvalidField: A file cannot be read or used.
    """
    from paperfeed.client import access_of_files

    settings = Settings.read(tls_ca=options.tls_ca, tls_cert=options.tls_cert, tls_key=options.tls_key)
    try:
        return access_of_files(target, settings.tls_ca, settings.tls_cert, settings.tls_key, settings.api_key_file)
    except (OSError, ValueError) as error:
        raise InvalidField("TLS", str(error)) from error
