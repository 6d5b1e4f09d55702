"""``paperfeed run``: its steps are real commands against real servers."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from testing.mailer.feed_service import feed_service
from testing.mailer.smtp_server import smtp_server
from tests.cli.command import Run
from tests.process.running import eventually
from tests.service.fetch.arxiv_pages import serve_pages
from tests.service.fetch.web_server import web_server

STEP = "fetch arxiv --categories cs.LG --days 1 --date 2026-03-09"


def command(*arguments: str) -> list[str]:
    """Return the command line of ``paperfeed run``."""
    return [sys.executable, "-m", "cli.main", "run", *arguments]


def environment(folder: Path, **values: str) -> dict[str, str]:
    """Return settings with databases of the test's own."""
    return {
        **os.environ,
        "PAPERFEED_ENCODER": "hashing",
        "PAPERFEED_DB": f"sqlite:///{folder / 'service.db'}",
        "PAPERFEED_FETCH_PAUSE_SECONDS": "0",
        "PAPERFEED_FETCH_WAIT_SECONDS": "0",
        "PAPERFEED_FETCH_TRIES": "2",
        "PAPERFEED_MAIL_DB": f"sqlite:///{folder / 'mail.db'}",
        "PAPERFEED_MAIL_SMTP_SECURITY": "none",
        "PAPERFEED_MAIL_LOG_LEVEL": "ERROR",
        **values,
    }


@pytest.mark.slow
def test_once(tmp_path: Path) -> None:
    """Fetch and mail run one after the other; if one fails, the other still runs."""
    with feed_service(tmp_path) as service, smtp_server() as inbox, web_server() as source:
        source.answer = serve_pages(5)
        values = environment(
            tmp_path,
            PAPERFEED_ARXIV_API_URL=source.url,
            PAPERFEED_MAIL_SERVER=service.target,
            PAPERFEED_MAIL_SMTP_HOST="127.0.0.1",
            PAPERFEED_MAIL_SMTP_PORT=str(inbox.port),
        )
        good = subprocess.run(
            command("--once", "--fetch", STEP), env=values, capture_output=True, text=True, check=False, timeout=120
        )
        assert good.returncode == 0, good.stderr
        assert f"{STEP}: ok" in good.stdout
        assert "mail send: ok" in good.stdout

        source.say(lambda request: request.reply(b"", 404))
        bad = subprocess.run(
            command("--once", "--fetch", STEP), env=values, capture_output=True, text=True, check=False, timeout=120
        )
    assert bad.returncode == 1
    assert f"{STEP}: failed (1)" in bad.stdout
    assert "mail send: ok" in bad.stdout


@pytest.mark.slow
def test_a_library_is_synced_first(tmp_path: Path) -> None:
    """The library is synced before papers are fetched; if that fails, papers are fetched all the same."""
    library = tmp_path / "refs.bib"
    library.write_text("@article{a, title = {Field notes on moss}}", encoding="utf-8")
    syncs = [f"library sync file {name} --user me" for name in (library, tmp_path / "none.bib")]
    with web_server() as source:
        source.answer = serve_pages(5)
        options = ["--mail-every", "0", "--fetch", STEP, *(word for step in syncs for word in ("--sync", step))]
        done = subprocess.run(
            command("--once", *options),
            env=environment(tmp_path, PAPERFEED_ARXIV_API_URL=source.url),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    outcomes = [line.partition(" ")[2].partition(",")[0] for line in done.stdout.splitlines() if ", " in line]
    assert done.returncode == 1
    assert [line for line in outcomes if line.endswith((": ok", ": failed (1)"))] == [
        f"{syncs[0]}: ok",
        f"{syncs[1]}: failed (1)",
        f"{STEP}: ok",
    ]


@pytest.mark.slow
def test_on_a_schedule(tmp_path: Path) -> None:
    """Steps run again and again, a step that keeps failing gets a warning, and SIGTERM ends the command."""
    values = environment(tmp_path, PAPERFEED_MAIL_SMTP_PORT="many")
    arguments = command("--mail-every", "0.01", "--fetch", STEP, "--at", "05:30", "--zone", "Asia/Tokyo")
    with (
        (tmp_path / "errors").open("w", encoding="utf-8") as errors,
        subprocess.Popen(arguments, env=values, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        lines = []
        while sum("failed (2)" in line for line in lines) < 3:
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended by itself"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert any("fetch: next at" in line and "05:30" in line for line in lines)
    assert "has failed 3 times in a row" in (tmp_path / "errors").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_failed_start_is_repeated(tmp_path: Path) -> None:
    """A step of the start that fails runs again until it passes, after growing waits; the pages learn why it failed."""

    def told() -> list[str]:
        with closing(sqlite3.connect(tmp_path / "mail.db")) as connection:
            return [problem for (problem,) in connection.execute("select problem from mail_runs order by sequence")]

    with web_server() as source:
        source.say(lambda request: request.reply(b"", 404))
        arguments = command("--mail-every", "0", "--retry-after", "0.02", "--pages", "--start", STEP)
        values = environment(tmp_path, PAPERFEED_ARXIV_API_URL=source.url)
        with subprocess.Popen(arguments, env=values, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = []
            while not (lines and f"{STEP}: ok" in lines[-1]):
                lines.append(process.stdout.readline())
                assert lines[-1], "it ended by itself"
                if sum("the next try is at" in line for line in lines) == 2:
                    source.answer = serve_pages(5)
            assert eventually(lambda: told()[-1:] == [""])
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert told()[0] == "papers are being fetched now"
    assert told()[1].startswith(f"'{STEP}' failed, and its output says why; the next try is at ")
    assert len(told()) == 4


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--at", "25:00"), "at: '25:00'"),
        (("--days", "0,8"), "days: '0,8'"),
        (("--days", "Mon"), "days: 'Mon'"),
        (("--zone", "Mars/Base"), "zone: 'Mars/Base'"),
        (("--fetch", "rm -rf x"), "fetch: 'rm -rf x' does not begin with one of: fetch"),
        (("--fetch", 'fetch "x'), "fetch: 'fetch \"x' cannot be read as a command: No closing quotation"),
        (("--fetch", "fetch x\\"), "cannot be read as a command: No escaped character"),
        (("--sync", "fetch arxiv"), "sync: 'fetch arxiv' is not 'library sync zotero'"),
        (("--sync", "library sync file x.bib --watch"), "without --watch"),
        (("--sync", 'library sync "x'), "sync: 'library sync \"x' cannot be read as a command"),
    ],
)
def test_wrong_usage(paperfeed: Run, arguments: tuple[str, ...], problem: str) -> None:
    """The wrong option is named, with exit code 2, before anything runs."""
    done = paperfeed("run", "--once", "--mail-every", "0", *arguments)
    assert done.code == 2
    assert problem in done.err
