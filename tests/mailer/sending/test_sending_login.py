"""Encryption and log-in with a server that requires STARTTLS."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from mailer.config import MailSettings
from mailer.sending.outbox import Sender
from mailer.storage import MailStore
from testing.mailer.builders import FixedClock, fill
from testing.mailer.smtp_server import Inbox, smtp_server
from tests.mailer.builders import due
from tests.requirements import require


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and a self-signed certificate for 127.0.0.1."""
    require("openssl", shutil.which("openssl") is not None, "needs openssl to make a certificate")
    made = tmp_path_factory.mktemp("certificate")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    files = ["-keyout", str(made / "key.pem"), "-out", str(made / "certificate.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return made


def server_options(folder: Path, password: str = "s3cret") -> dict[str, object]:
    """Return options of a server that requires STARTTLS and a log-in as ``digest``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")

    def check(_server: object, _session: object, _envelope: object, _how: str, found: LoginPassword) -> AuthResult:
        right = found.login == b"digest" and found.password == password.encode()
        return AuthResult(success=right, handled=right)

    return {"tls_context": context, "require_starttls": True, "authenticator": check, "auth_required": True}


def login_settings(inbox: Inbox, tmp_path: Path) -> MailSettings:
    """Return settings that log in with the password in a file."""
    (tmp_path / "password").write_text("s3cret\n", encoding="utf-8")
    return MailSettings.read(
        {},
        smtp_host="127.0.0.1",
        smtp_port=inbox.port,
        smtp_user="digest",
        smtp_password_file=str(tmp_path / "password"),
        smtp_connections=2,
    )


def test_encrypted_and_logged_in(
    store: MailStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the certificate is trusted, the mailer logs in and sends over TLS."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "certificate.pem"))
    fill(store, 5)
    with smtp_server(**server_options(folder)) as inbox:
        sender = Sender(store, login_settings(inbox, tmp_path), FixedClock())
        assert sender.send() == {"sent": 5}, sender.problem

    assert len(inbox.messages) == 5


def test_a_certificate_that_is_not_trusted(store: MailStore, folder: Path, tmp_path: Path) -> None:
    """An untrusted certificate ends sending before the password or a message is sent."""
    fill(store, 5)
    with smtp_server(**server_options(folder)) as inbox:
        sender = Sender(store, login_settings(inbox, tmp_path), FixedClock())
        assert sender.send() == {}

    assert "certificate verify failed" in sender.problem.lower()
    assert inbox.messages == []
    assert due(store, FixedClock()) == 5


def test_a_wrong_password(store: MailStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed log-in ends sending with the server's reply and without the password, and no attempt counts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "certificate.pem"))
    fill(store, 5)
    with smtp_server(**server_options(folder, "another")) as inbox:
        sender = Sender(store, login_settings(inbox, tmp_path), FixedClock())
        assert sender.send() == {}

    assert sender.problem.startswith("log-in: 535")
    assert "s3cret" not in sender.problem
    assert due(store, FixedClock()) == 5
