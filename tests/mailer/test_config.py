from pathlib import Path

import pytest

from mailer.config import MailSettings
from mailer.errors import InvalidField


def test_order_of_sources() -> None:
    """A flag overrides the environment, which overrides the default; an empty variable counts as unset."""
    environment = {"PAPERFEED_MAIL_SMTP_PORT": "587", "PAPERFEED_MAIL_HOST": "", "PAPERFEED_MAIL_SMTP_SECURITY": "tls"}

    settings = MailSettings.read(environment, sender_name="Papers", smtp_host=None)

    assert (settings.smtp_port, settings.host, settings.smtp_security) == (587, "127.0.0.1", "tls")
    assert (settings.sender_name, settings.smtp_host) == ("Papers", "localhost")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("SMTP_PORT", "many", "'many' is not a whole number"),
        ("SMTP_PORT", "0", "at least 1 and at most 65535"),
        ("MESSAGES_PER_SECOND", "nan", "at least 0"),
        ("SMTP_SECURITY", "ssl", "'ssl' is not starttls, tls or none"),
        ("BASE_URL", "mail.example.org", "does not begin with http"),
        ("LOG_LEVEL", "LOUD", "is not DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_invalid_values(name: str, value: str, problem: str) -> None:
    """The error names the variable and the allowed values."""
    with pytest.raises(InvalidField, match=problem) as caught:
        MailSettings.read({f"PAPERFEED_MAIL_{name}": value})
    assert caught.value.field == f"PAPERFEED_MAIL_{name}"


def test_no_password_in_the_clear() -> None:
    """Settings with a log-in and without encryption are refused."""
    with pytest.raises(InvalidField, match="never sent without encryption"):
        MailSettings.read({}, smtp_user="u", smtp_security="none")


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """The password is the content of the file without the line end; a missing file is named."""
    file = tmp_path / "password"
    file.write_text("s3cret\n", encoding="utf-8")

    assert MailSettings.read({}, smtp_password_file=str(file)).secret("smtp_password_file") == "s3cret"
    assert not MailSettings.read({}).secret("smtp_password_file")
    with pytest.raises(InvalidField, match="none-such cannot be read"):
        MailSettings.read({}, smtp_password_file=str(tmp_path / "none-such")).secret("smtp_password_file")
