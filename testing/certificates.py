"""Certificates of an authority, made with openssl."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOCAL = ("DNS:localhost", "IP:127.0.0.1")


@dataclass(frozen=True)
class Pair:
    """PEM files of a certificate and of its private key."""

    certificate: Path
    key: Path


class Authority:
    """An authority that signs certificates. ``root`` is the PEM file of its own certificate."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = name
        self.root = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        subject = ("-subj", f"/CN={name}", "-days", "2")
        self._openssl("req", "-x509", *self._new_key(self._key), *subject, "-out", self.root)

    def issue(self, name: str, *, other_names: Sequence[str] = LOCAL) -> Pair:
        """Return a certificate with this common name.

        Args:
            other_names: Subject alternative names in openssl's notation, such as ``URI:spiffe://example.org/mailer``.
        """
        start = self._folder / f"{self._name}-{name}"
        pair, request = Pair(start.with_suffix(".pem"), start.with_suffix(".key")), start.with_suffix(".csr")
        extension = ("-addext", f"subjectAltName={','.join(other_names)}") if other_names else ()
        self._openssl("req", *self._new_key(pair.key), "-subj", f"/CN={name}", *extension, "-out", request)
        signed = ("-CA", self.root, "-CAkey", self._key, "-CAcreateserial", "-days", "2", "-copy_extensions", "copy")
        self._openssl("x509", "-req", "-in", request, *signed, "-out", pair.certificate)
        return pair

    @staticmethod
    def _new_key(path: Path) -> tuple[object, ...]:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)

    @staticmethod
    def _openssl(*arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
