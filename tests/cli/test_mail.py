"""``paperfeed mail``, against a real service and a real SMTP server."""

import json
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from mailer.service import FeedService
from testing.mailer.feed_service import TODAY, add_digest, feed_service, papers
from testing.mailer.smtp_server import smtp_server
from tests.cli.command import Run
from tests.mailer.sending.builders import dsn

Mail = Callable[..., str]


@pytest.fixture
def mail(paperfeed: Run, tmp_path: Path) -> Mail:
    """Run ``paperfeed mail``, check its exit code, and return what it prints."""

    def run(*arguments: object, code: int = 0, stdin: bytes = b"", **environment: str) -> str:
        database = f"sqlite:///{tmp_path / 'mail.db'}"
        done = paperfeed("mail", *arguments, "--mail-db", database, stdin=stdin, **environment)
        assert done.code == code, done.err
        return done.out if code == 0 or done.out else done.err

    return run


def test_from_a_list_to_the_inbox(mail: Mail, paperfeed: Run, tmp_path: Path) -> None:
    """Each command does its part and says so: import subscribers, send, show the status, read a bounce."""
    people = tmp_path / "people.csv"
    people.write_text(
        "user_id,address,name,weekdays,time,zone,papers\n"
        'u1,ada@example.org,"Lovelace, Ada",daily,,,5\nu2,emmy@example.org,,"1,5",06:30,Europe/Berlin,\n',
        encoding="utf-8",
    )
    consent = ("--consent", "signed up on paper, 2026-03-01")
    assert "2 added" in mail("subscribers", "import", people, *consent)
    assert "0 added, 2 already subscribed" in mail("subscribers", "import", people, *consent)
    assert "active  daily  07:00  UTC" in mail("subscribers", "list")
    assert "active  Mon, Fri  06:30  Europe/Berlin" in mail("subscribers", "list")
    mail("subscribers", "change", "u1", "--sections", "--min-probability", "0.05")
    assert "sections  min_probability 0.05" in mail("subscribers", "list")
    assert ",yes,0.05\n" in mail("subscribers", "list", "--csv")
    mail("subscribers", "change", "u1", "--no-sections", "--min-probability", "usual")
    assert "'few' is neither a number nor 'usual'" in mail(
        "subscribers", "change", "u1", "--min-probability", "few", code=2
    )
    mail("subscribers", "change", "nobody", "--sections", code=1)
    listed = json.loads(mail("subscribers", "list", "--json"))["subscribers"]
    assert {(each["sections"], each["min_probability"]) for each in listed} == {(False, None)}
    assert [each["weekdays"] for each in sorted(listed, key=lambda each: each["user_id"])] == [[*range(1, 8)], [1, 5]]

    with feed_service(tmp_path) as service, smtp_server() as inbox:
        with service.client() as client:
            add_digest(client, "d1", TODAY.date(), papers("a", 8))
        smtp = {
            "PAPERFEED_MAIL_SMTP_HOST": "127.0.0.1",
            "PAPERFEED_MAIL_SMTP_PORT": str(inbox.port),
            "PAPERFEED_MAIL_SMTP_SECURITY": "none",
            "PAPERFEED_MAIL_SERVER": service.target,
            "PAPERFEED_MAIL_LOG_LEVEL": "ERROR",
        }
        # --everybody works at any hour of the day.
        sent = json.loads(mail("send", "--everybody", "--json", **smtp))
        assert sent == {"outcomes": {"made": 2, "sent": 2}, "problems": [], "is_ok": True}
        message = message_from_bytes(inbox.messages[inbox.addresses.index("ada@example.org")][1], policy=default)
        assert message["To"] == '"Lovelace, Ada" <ada@example.org>'
        assert "5 papers for you" in message.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
        previewed = paperfeed("mail", "preview", "--user", "u1", "--out", tmp_path / "out", "--server", service.target)
        assert previewed.code == 0, previewed.err
        assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["u1.eml", "u1.html", "u1.txt"]

    status = json.loads(mail("status", "--json"))
    assert status["outbox"] == {"due": 0, "later": 0, "claimed": 0, "unreported": 0}
    bounce = dsn(address="ada@example.org", returned=f"Message-ID: {message['Message-ID']}\n")
    assert json.loads(mail("bounces", "--json", stdin=bounce)) == {"suppressed": 1}
    assert "suppressed" in mail("subscribers", "list")
    unreadable = dsn(status="", status_type="text/plain")
    assert json.loads(mail("bounces", "--json", stdin=unreadable, code=1)) == {"unreadable": 1}
    again = tmp_path / "again.csv"
    again.write_text("user_id,address\nu8,new@example.org\nu9,ada@example.org\n", encoding="utf-8")
    done = mail("subscribers", "import", again, *consent)
    assert "1 added, 0 already subscribed, 1 skipped" in done
    mail("subscribers", "add", "u9", "ada@example.org", *consent, code=1)
    mail("subscribers", "suppress", "ada@example.org", "--lift")
    mail("subscribers", "remove", "u1")
    mail("subscribers", "remove", "u1", code=1)


def test_a_stopped_address_of_a_subscriber(mail: Mail, tmp_path: Path) -> None:
    """``add`` refuses a subscriber whose address is stopped, and ``import`` leaves the subscriber out."""
    consent = ("--consent", "signed up on paper, 2026-03-01")
    mail("subscribers", "add", "u1", "ada@example.org", *consent)
    assert "already subscribed" in mail("subscribers", "add", "u1", "ada@example.org", *consent)
    mail("subscribers", "suppress", "ada@example.org")
    said = mail("subscribers", "add", "u1", "ada@example.org", *consent, code=1)
    assert "mail to this address is stopped: manual" in said
    people = tmp_path / "people.csv"
    people.write_text("user_id,address\nu1,ada@example.org\n", encoding="utf-8")
    done = mail("subscribers", "import", people, *consent)
    assert "0 added, 0 already subscribed, 1 skipped" in done


@pytest.mark.parametrize("ground", ["", " "])
def test_no_ground(mail: Mail, ground: str) -> None:
    """Empty words of consent are wrong usage, and nobody is added."""
    said = mail("subscribers", "add", "u1", "ada@example.org", "--consent", ground, code=2)
    assert "must name the grounds" in said
    assert mail("subscribers", "list") == "no subscribers\n"


def test_a_password_file_that_is_not_there(mail: Mail, tmp_path: Path) -> None:
    """The run ends with exit code 1, names the file, and leaves the issue due."""
    with feed_service(tmp_path) as service, smtp_server() as inbox:
        with service.client() as client:
            add_digest(client, "d1", TODAY.date(), papers("a", 8))
        mail("subscribers", "add", "u1", "ada@example.org", "--consent", "signed up on paper, 2026-03-01")
        smtp = {
            "PAPERFEED_MAIL_SMTP_HOST": "127.0.0.1",
            "PAPERFEED_MAIL_SMTP_PORT": str(inbox.port),
            "PAPERFEED_MAIL_SMTP_USER": "digest",
            "PAPERFEED_MAIL_SMTP_PASSWORD_FILE": str(tmp_path / "none-such"),
            "PAPERFEED_MAIL_SERVER": service.target,
        }
        answer = json.loads(mail("send", "--everybody", "--json", code=1, **smtp))

    assert "none-such cannot be read" in answer["problems"][0]
    assert answer["outcomes"] == {"made": 1, "waiting": 1}


def test_preview_into_a_file(paperfeed: Run, tmp_path: Path) -> None:
    """A file where the folder should be is reported in one line, before a server is called."""
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    done = paperfeed("mail", "preview", "--user", "u1", "--out", tmp_path / "taken")
    assert done.code == 2
    assert done.err == f"paperfeed: out: cannot write to {tmp_path / 'taken'}: it is not a folder\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("user_id,mail\n", "line 1: has no column address"),
        ("user_id,address\nu1,ada\n", "line 2: address: is not an e-mail address"),
        ("user_id,address,zone\nu1,a@example.org,Mars/Base\n", "line 2: time_zone: 'Mars/Base'"),
        (
            "user_id,address,papers\nu0,b@example.org,\nu1,a@example.org,many\n",
            "line 3: papers: 'many' is not a number",
        ),
        ("user_id,address,weekdays\nu1,a@example.org,Mondays\n", "line 2: weekdays: 'Mondays' is neither"),
    ],
)
def test_a_bad_list(mail: Mail, tmp_path: Path, content: str, problem: str) -> None:
    """The file, the line and the field are named, and nobody is added."""
    file = tmp_path / "people.csv"
    file.write_text(content, encoding="utf-8")
    said = mail("subscribers", "import", file, "--consent", "x", code=1)
    assert problem in said
    assert mail("subscribers", "list") == "no subscribers\n"


def test_wrong_settings(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusable setting is named, with exit code 2; a feed service that does not answer gives exit code 1."""
    said = mail("send", code=2, PAPERFEED_MAIL_SMTP_PORT="many")
    assert "PAPERFEED_MAIL_SMTP_PORT: 'many' is not a whole number" in said
    monkeypatch.setitem(FeedService.__init__.__kwdefaults__, "timeout_seconds", 0.5)
    said = mail("send", code=1, PAPERFEED_MAIL_SERVER="127.0.0.1:1", PAPERFEED_MAIL_LOG_LEVEL="ERROR")
    assert "the feed service is not available" in said
