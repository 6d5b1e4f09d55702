"""Encryption and log-in against a server with STARTTLS and a certificate that only a test trusts."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from mailer.config import MailSettings
from mailer.sending.outbox import Sender
from mailer.storage import MailStore
from testing.mailer.builders import FixedClock
from testing.mailer.smtp_server import Inbox, smtp_server
from tests.mailer.sending.test_sending import due, fill
from tests.requirements import require


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a key and a certificate for 127.0.0.1 lie that nobody has signed."""
    require("openssl", shutil.which("openssl") is not None, "needs openssl to make a certificate")
    made = tmp_path_factory.mktemp("certificate")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    files = ["-keyout", str(made / "key.pem"), "-out", str(made / "certificate.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return made


def server_options(folder: Path, password: str = "s3cret") -> dict[str, object]:
    """STARTTLS before anything, then a log-in as ``digest``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")

    def check(_server: object, _session: object, _envelope: object, _how: str, found: LoginPassword) -> AuthResult:
        right = found.login == b"digest" and found.password == password.encode()
        return AuthResult(success=right, handled=right)

    return {"tls_context": context, "require_starttls": True, "authenticator": check, "auth_required": True}


def settings_for(inbox: Inbox, tmp_path: Path) -> MailSettings:
    """Settings that log in with what the file says."""
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
    """With a certificate that is trusted, the password and the mail go over TLS."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "certificate.pem"))
    fill(store, 5)
    with smtp_server(**server_options(folder)) as inbox:
        sender = Sender(store, settings_for(inbox, tmp_path), FixedClock())
        assert sender.send() == {"sent": 5}, sender.problem

    assert len(inbox.messages) == 5


def test_a_certificate_that_is_not_trusted(store: MailStore, folder: Path, tmp_path: Path) -> None:
    """No password and no mail goes to a server that cannot prove who it is; the run ends and says so."""
    fill(store, 5)
    with smtp_server(**server_options(folder)) as inbox:
        sender = Sender(store, settings_for(inbox, tmp_path), FixedClock())
        assert sender.send() == {}

    assert "certificate verify failed" in sender.problem.lower()
    assert inbox.messages == []
    assert due(store, FixedClock()) == 5


def test_a_wrong_password(store: MailStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """535 ends the run with the server's words and without the password; nothing counts as tried."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "certificate.pem"))
    fill(store, 5)
    with smtp_server(**server_options(folder, "another")) as inbox:
        sender = Sender(store, settings_for(inbox, tmp_path), FixedClock())
        assert sender.send() == {}

    assert sender.problem.startswith("log-in: 535")
    assert "s3cret" not in sender.problem
    assert due(store, FixedClock()) == 5
