"""``paperfeed doctor``: each check, good and bad, against real servers."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from testing.mailer.smtp_server import smtp_server
from tests.cli.command import Run
from tests.cli.home.homes import LIBRARY, arxiv, change, free_port, use_local
from tests.service.fetch.web_server import web_server


@pytest.fixture
def folder(paperfeed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that init has prepared, without variables that override its settings."""
    monkeypatch.delenv("PAPERFEED_DB")
    (tmp_path / "refs.bib").write_text(LIBRARY, encoding="utf-8")
    done = paperfeed("init", "--library", "refs.bib", "--category", "cs.LG", "--no-mail")
    assert done.code == 0, done.err
    return tmp_path


def doctor(paperfeed: Run, *words: str, code: int) -> dict[str, dict[str, Any]]:
    """Return the checks by name."""
    done = paperfeed("doctor", "--json", *words)
    assert done.code == code, done.out + done.err
    result = json.loads(done.out)
    assert result["ok"] is (code == 0)
    checks = {each["name"]: each for each in result["checks"]}
    assert all(bool(each["remedy"]) is not each["ok"] for each in checks.values())
    return checks


def ready(folder: Path, source_url: str) -> None:
    """Let all checks succeed without the network."""
    change(folder, service__arxiv_feed_url=source_url, service__port=free_port(), mail__port=free_port())


@pytest.mark.slow
def test_all_is_well(paperfeed: Run, folder: Path) -> None:
    """Before the first start everything is OK; afterwards the database and its newest digest are shown."""
    with arxiv() as source:
        ready(folder, source.url)
        checks = doctor(paperfeed, code=1)
        # The encoder of the tests is not the one that the bundle was trained for.
        assert [name for name, each in checks.items() if not each["ok"]] == ["bundle"]
        assert "encoder" in checks["bundle"]["found"]
        assert "is not there yet" in checks["database"]["found"]
        assert "refs.bib: 3 papers" in checks["library"]["found"]
        assert "answers" in checks["arXiv cs.LG"]["found"]
        assert source.requests[0][0] == "/atom/cs.LG"
        assert "is free" in checks["port of the server"]["found"]

        use_local(folder, source)
        assert paperfeed("up", "--once").code == 0
        assert "15 papers, the newest digest is daily-" in doctor(paperfeed, code=1)["database"]["found"]
    text = paperfeed("doctor").out
    assert "OK    database: " in text
    assert "WRONG arXiv cs.LG: " in text
    assert "      -> check the network and the address" in text


def test_what_is_wrong(paperfeed: Run, folder: Path) -> None:
    """A library, a source, a port and a mail server that cannot be used are each named, with what to do."""
    (folder / "refs.bib").unlink()
    with web_server() as source, socket.create_server(("127.0.0.1", 0)) as taken:
        source.say(lambda request: request.reply(b"", 404))
        ready(folder, source.url)
        change(folder, service__port=taken.getsockname()[1], mail__port=taken.getsockname()[1])
        change(folder, schedule__mail_to="ada@example.org", mail__smtp_port=free_port(), mail__smtp_host="127.0.0.1")
        checks = doctor(paperfeed, code=1)
    assert "there is no such file" in checks["library"]["found"]
    assert "[library]" in checks["library"]["remedy"]
    assert "it answered 404" in checks["arXiv cs.LG"]["found"]
    assert "smtp_host" in checks["mail"]["remedy"]
    assert "is another server there?" in checks["port of the server"]["found"]
    assert "[service]" in checks["port of the server"]["remedy"]
    assert "base_url" in checks["port of the pages"]["remedy"]


def test_mail(paperfeed: Run, folder: Path) -> None:
    """The mail server is asked without a message; --send-test sends one; a refusal is explained."""
    with arxiv() as source, smtp_server() as inbox:
        ready(folder, source.url)
        change(folder, mail__smtp_host="127.0.0.1", mail__smtp_port=inbox.port, mail__smtp_security="none")
        change(folder, schedule__mail_to="ada@example.org")
        assert "accepts mail from" in doctor(paperfeed, code=1)["mail"]["found"]
        assert inbox.messages == []

        sent = doctor(paperfeed, "--send-test", "bob@example.org", code=1)["mail"]
        assert sent["ok"]
        ((address, content),) = inbox.messages
        assert address == "bob@example.org"
        assert b"Subject: A test message from paperfeed" in content

        inbox.refuse_sender = lambda _: "550 5.7.1 not you"
        refused = doctor(paperfeed, code=1)["mail"]
    assert "not you" in refused["found"]
    assert "sender_address" in refused["remedy"]


def test_a_mistake_in_the_file(paperfeed: Run, folder: Path) -> None:
    """A mistake in the settings ends the doctor with the file, the line and the key."""
    path = folder / "paperfeed.toml"
    path.write_text(path.read_text() + "\nsmpt_port = 25\n")
    done = paperfeed("doctor")
    assert done.code == 2
    assert "[mail] smpt_port: is no setting; the nearest is 'smtp_port'" in done.err
