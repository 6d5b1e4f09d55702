import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import dkim
import pytest

from mailer.config import MailSettings
from mailer.errors import InvalidField
from mailer.sending.signing import signed
from tests.requirements import require

CONTENT = (
    b"Message-ID: <i1@example.org>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"From: digest@example.org\r\nTo: subscriber1@example.org\r\nSubject: Papers\r\n\r\nHello\r\n"
)


def openssl(*arguments: str) -> str:
    """Return what openssl prints."""
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout


def test_dkim(tmp_path: Path) -> None:
    """The signature verifies and covers the unsubscribe headers; an invalid key is named."""
    require("openssl", shutil.which("openssl") is not None, "needs openssl to make a key")
    openssl("genrsa", "-traditional", "-out", str(tmp_path / "key.pem"), "2048")
    public = openssl("rsa", "-in", str(tmp_path / "key.pem"), "-pubout")
    (tmp_path / "none.pem").write_text("no key", encoding="utf-8")
    record = "v=DKIM1; k=rsa; p=" + "".join(public.splitlines()[1:-1])
    plain = MailSettings.read({})
    settings = replace(plain, dkim_domain="example.org", dkim_selector="s1", dkim_key_file=str(tmp_path / "key.pem"))

    done = signed(CONTENT, settings)

    assert dkim.verify(done, dnsfunc=lambda *_, **__: record.encode())
    assert not dkim.verify(done.replace(b"One-Click", b"Two-Click"), dnsfunc=lambda *_, **__: record.encode())
    assert b"list-unsubscribe-post" in done.partition(b"\r\nMessage-ID")[0].lower()
    assert signed(CONTENT, plain) == CONTENT
    with pytest.raises(InvalidField, match="DKIM_KEY_FILE"):
        signed(CONTENT, replace(settings, dkim_key_file=str(tmp_path / "none.pem")))
