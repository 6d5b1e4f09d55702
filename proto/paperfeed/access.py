"""How a client reaches a server and says who it is: TLS, certificates and API keys."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

import grpc

SYSTEM_ROOTS = "system"
_LOCAL_SCHEMES = ("unix:", "unix-abstract:")


def tls(
    *,
    root_certificates: bytes | None = None,
    certificate: bytes | None = None,
    private_key: bytes | None = None,
) -> grpc.ChannelCredentials:
    """Return credentials for a connection over TLS.

    Args:
        root_certificates: Root certificates in PEM that the server's certificate is checked against. None means those
            of the file that GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names, or else those that gRPC ships.
        certificate: The client's certificate chain in PEM, if the server asks for one.
        private_key: The key of ``certificate`` in PEM.

    Raises:
        ValueError: One of ``certificate`` and ``private_key`` is given without the other.
    """
    if (certificate is None) != (private_key is None):
        raise ValueError("a client certificate and its private key are needed together")
    return grpc.ssl_channel_credentials(root_certificates, private_key, certificate)


@dataclass(frozen=True)
class Access:
    """How a client reaches a server and says who it is: the arguments of ``Client`` with these names."""

    credentials: grpc.ChannelCredentials | None = None
    api_key: str = field(default="", repr=False)


def access_of_files(target: str, ca: str = "", cert: str = "", key: str = "", api_key_file: str = "") -> Access:
    """Return the access that the contents of files give.

    The connection uses TLS if one of ``ca``, ``cert`` and ``key`` is given, or if an API key goes to another machine.

    Args:
        target: Address of the server.
        ca: File with the root certificates; ``system`` and an empty name mean those that gRPC ships.

    Raises:
        OSError: A file cannot be read.
        ValueError: The API key is not one line of ASCII text, or one of certificate and key is given without the other.
    """
    api_key = _content(api_key_file).decode("ascii").strip() if api_key_file else ""
    if api_key_file and not (api_key and api_key.isprintable()):
        raise ValueError(f"{api_key_file} does not hold an API key in one line")
    if not (ca or cert or key) and (not api_key or is_local(target)):
        return Access(None, api_key)
    credentials = tls(
        root_certificates=_content(ca) if ca and ca != SYSTEM_ROOTS else None,
        certificate=_content(cert) if cert else None,
        private_key=_content(key) if key else None,
    )
    return Access(credentials, api_key)


def is_local(target: str) -> bool:
    """Return whether a server at the gRPC target is on this machine."""
    if target.startswith(_LOCAL_SCHEMES):
        return True
    for scheme in ("dns:///", "dns:", "ipv4:", "ipv6:"):
        target = target.removeprefix(scheme)
    host = target.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def metadata_of(target: str, credentials: grpc.ChannelCredentials | None, api_key: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that send an API key with each call.

    Raises:
        ValueError: The key would cross the network unencrypted.
    """
    if not api_key:
        return ()
    if credentials is None and not is_local(target):
        raise ValueError(f"an API key is not sent to {target} without TLS: pass credentials=tls()")
    return (("authorization", f"Bearer {api_key}"),)


def _content(path: str) -> bytes:
    return Path(path).expanduser().read_bytes()
