"""``paperfeed mail`` as its users run it: in processes, against a real service and a real SMTP server."""

import json
import os
import subprocess
import sys
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from testing.mailer.feed_service import TODAY, RunningService, add_digest, feed_service, papers
from testing.mailer.smtp_server import smtp_server
from tests.mailer.sending.builders import dsn


def paperfeed(folder: Path, *arguments: str, code: int = 0, stdin: bytes = b"", **environment: str) -> str:
    """What the command prints; its exit code is checked."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "mail", *arguments, "--mail-db", f"sqlite:///{folder / 'mail.db'}"],
        input=stdin,
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
        timeout=120,
    )
    assert done.returncode == code, done.stderr.decode()
    return (done.stdout if code == 0 or done.stdout else done.stderr).decode()


def test_from_a_list_to_the_inbox(tmp_path: Path) -> None:
    """Import subscribers, send, see the state, read a bounce: each command does its part and says so."""
    people = tmp_path / "people.csv"
    people.write_text(
        "user_id,address,name,weekdays,time,zone,papers\n"
        'u1,ada@example.org,"Lovelace, Ada",daily,,,5\nu2,emmy@example.org,,"1,5",06:30,Europe/Berlin,\n',
        encoding="utf-8",
    )
    consent = ("--consent", "signed up on paper, 2026-03-01")
    assert "2 added" in paperfeed(tmp_path, "subscribers", "import", str(people), *consent)
    assert "0 added, 2 already subscribed" in paperfeed(tmp_path, "subscribers", "import", str(people), *consent)
    listed = json.loads(paperfeed(tmp_path, "subscribers", "list", "--json"))["subscribers"]
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
        # The hour of the day may or may not have come: --everybody does not ask.
        sent = json.loads(paperfeed(tmp_path, "send", "--everybody", "--json", **smtp))
        assert sent == {"outcomes": {"made": 2, "sent": 2}, "problems": [], "is_ok": True}
        message = message_from_bytes(inbox.messages[inbox.addresses.index("ada@example.org")][1], policy=default)
        assert message["To"] == '"Lovelace, Ada" <ada@example.org>'
        assert "5 papers for you" in message.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
        _preview(tmp_path, service)

    status = json.loads(paperfeed(tmp_path, "status", "--json"))
    assert status["outbox"] == {"due": 0, "later": 0, "claimed": 0, "unreported": 0}
    bounce = dsn(address="ada@example.org", returned=f"Message-ID: {message['Message-ID']}\n")
    assert json.loads(paperfeed(tmp_path, "bounces", "--json", stdin=bounce)) == {"suppressed": 1}
    assert "suppressed" in paperfeed(tmp_path, "subscribers", "list")
    unreadable = dsn(status="", status_type="text/plain")
    assert json.loads(paperfeed(tmp_path, "bounces", "--json", stdin=unreadable, code=1)) == {"unreadable": 1}
    again = tmp_path / "again.csv"
    again.write_text("user_id,address\nu8,new@example.org\nu9,ada@example.org\n", encoding="utf-8")
    done = paperfeed(tmp_path, "subscribers", "import", str(again), *consent)
    assert "1 added, 0 already subscribed, 1 skipped" in done
    paperfeed(tmp_path, "subscribers", "add", "u9", "ada@example.org", *consent, code=1)
    paperfeed(tmp_path, "subscribers", "suppress", "ada@example.org", "--lift")
    paperfeed(tmp_path, "subscribers", "remove", "u1")
    paperfeed(tmp_path, "subscribers", "remove", "u1", code=1)


def test_a_stopped_address_of_a_subscriber(tmp_path: Path) -> None:
    """Who is subscribed and stopped is named so by ``add`` and left out by ``import``."""
    consent = ("--consent", "signed up on paper, 2026-03-01")
    paperfeed(tmp_path, "subscribers", "add", "u1", "ada@example.org", *consent)
    assert "already subscribed" in paperfeed(tmp_path, "subscribers", "add", "u1", "ada@example.org", *consent)
    paperfeed(tmp_path, "subscribers", "suppress", "ada@example.org")
    said = paperfeed(tmp_path, "subscribers", "add", "u1", "ada@example.org", *consent, code=1)
    assert "mail to this address is stopped: manual" in said
    people = tmp_path / "people.csv"
    people.write_text("user_id,address\nu1,ada@example.org\n", encoding="utf-8")
    done = paperfeed(tmp_path, "subscribers", "import", str(people), *consent)
    assert "0 added, 0 already subscribed, 1 skipped" in done


@pytest.mark.parametrize("ground", ["", " "])
def test_no_ground(tmp_path: Path, ground: str) -> None:
    """Consent without a word on what ground is wrong usage, and nobody is added."""
    said = paperfeed(tmp_path, "subscribers", "add", "u1", "ada@example.org", "--consent", ground, code=2)
    assert "must name the grounds" in said
    assert paperfeed(tmp_path, "subscribers", "list") == "no subscribers\n"


def test_a_password_file_that_is_not_there(tmp_path: Path) -> None:
    """The run ends with exit code 1, names the file, and leaves the issue due."""
    with feed_service(tmp_path) as service, smtp_server() as inbox:
        with service.client() as client:
            add_digest(client, "d1", TODAY.date(), papers("a", 8))
        paperfeed(
            tmp_path, "subscribers", "add", "u1", "ada@example.org", "--consent", "signed up on paper, 2026-03-01"
        )
        smtp = {
            "PAPERFEED_MAIL_SMTP_HOST": "127.0.0.1",
            "PAPERFEED_MAIL_SMTP_PORT": str(inbox.port),
            "PAPERFEED_MAIL_SMTP_USER": "digest",
            "PAPERFEED_MAIL_SMTP_PASSWORD_FILE": str(tmp_path / "none-such"),
            "PAPERFEED_MAIL_SERVER": service.target,
        }
        answer = json.loads(paperfeed(tmp_path, "send", "--everybody", "--json", code=1, **smtp))

    assert "none-such cannot be read" in answer["problems"][0]
    assert answer["outcomes"] == {"made": 1, "waiting": 1}


def _preview(folder: Path, service: RunningService) -> None:
    """Writes an issue to files and sends nothing."""
    out = folder / "preview"
    command = [sys.executable, "-m", "cli.main", "mail", "preview", "--user", "u1", "--out", str(out)]
    subprocess.run([*command, "--server", service.target], check=True, capture_output=True, timeout=120)
    assert sorted(file.name for file in out.iterdir()) == ["u1.eml", "u1.html", "u1.txt"]


def test_preview_into_a_file(tmp_path: Path) -> None:
    """A file where the folder should be is one line, told before a server is asked."""
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    command = [sys.executable, "-m", "cli.main", "mail", "preview", "--user", "u1", "--out", str(tmp_path / "taken")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr == f"paperfeed: out: nothing can be written to {tmp_path / 'taken'}: it is not a folder\n"


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
def test_a_bad_list(tmp_path: Path, content: str, problem: str) -> None:
    """The file, the line and the field are named, and nobody is added."""
    file = tmp_path / "people.csv"
    file.write_text(content, encoding="utf-8")
    said = paperfeed(tmp_path, "subscribers", "import", str(file), "--consent", "x", code=1)
    assert problem in said
    assert paperfeed(tmp_path, "subscribers", "list") == "no subscribers\n"


def test_wrong_settings(tmp_path: Path) -> None:
    """A setting that cannot be used ends in exit code 2 and names itself; no service is an error, not a green run."""
    said = paperfeed(tmp_path, "send", code=2, PAPERFEED_MAIL_SMTP_PORT="many")
    assert "PAPERFEED_MAIL_SMTP_PORT: 'many' is not a whole number" in said
    said = paperfeed(tmp_path, "send", code=1, PAPERFEED_MAIL_SERVER="127.0.0.1:1", PAPERFEED_MAIL_LOG_LEVEL="ERROR")
    assert "the feed service is not available" in said
