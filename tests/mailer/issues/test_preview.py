from email import message_from_bytes
from email.policy import default
from pathlib import Path

from mailer.config import MailSettings
from mailer.issues.preview import compose_preview, write_message
from testing.mailer.builders import FixedClock, feed


def test_preview(tmp_path: Path) -> None:
    """The preview of a feed is written as a message and as its two parts."""
    issue = compose_preview(feed(count=2), MailSettings.read({}), FixedClock())
    write_message(issue.content, tmp_path / "new", "ada")

    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["ada.eml", "ada.html", "ada.txt"]
    assert message_from_bytes((tmp_path / "new" / "ada.eml").read_bytes(), policy=default)["Subject"] == issue.subject
    assert "2 papers for you" in (tmp_path / "new" / "ada.txt").read_text(encoding="utf-8")
    assert "<h1" in (tmp_path / "new" / "ada.html").read_text(encoding="utf-8")
