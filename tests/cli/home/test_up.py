"""``paperfeed up``: from an empty folder to a ranked digest, with real processes."""

import os
import signal
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import GetFeedRequest
from testing.mailer.smtp_server import smtp_server
from tests.cli.home.homes import LIBRARY, arxiv, change, run, sample_page, up, use_local
from tests.process import running as processes

SECONDS = 150.0
"""Time limit of a start of several processes on a busy machine."""
MOST_SECONDS = 300.0
"""Longest time from an empty folder to a ranked page."""
INIT = ("init", "--library", "refs.bib", "--category", "cs.LG", "--no-mail")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with a library in it."""
    (tmp_path / "refs.bib").write_text(LIBRARY, encoding="utf-8")
    return tmp_path


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until the condition holds; return whether it did in time."""
    return processes.eventually(condition, SECONDS)


def likes_and_papers(folder: Path) -> tuple[int, int]:
    """Return the number of likes, and of papers in the digests, in the one database file."""
    with closing(sqlite3.connect(folder / "paperfeed.db")) as connection:
        (likes,) = connection.execute("select count(*) from events where user_id = 'me'").fetchone()
        (papers,) = connection.execute("select count(*) from digest_papers").fetchone()
    return likes, papers


@pytest.mark.slow
@pytest.mark.model
def test_two_commands(tmp_path: Path) -> None:
    """Two commands and five minutes lead from a library to a page whose first papers are like those of the library.

    The folder then has one settings file and one database. Only the source's address and the ports are changed.
    """
    started_at = time.monotonic()
    (tmp_path / "refs.bib").write_text(LIBRARY, encoding="utf-8")
    assert run(tmp_path, "init", "--library", "refs.bib", "--category", "cs.IR", "--no-mail").returncode == 0
    with arxiv(sample_page()) as source:
        use_local(tmp_path, source, encoder="all-MiniLM-L6-v2")
        with up(tmp_path) as running:
            address = running.line("your paperfeed: ")

            def shown() -> list[str]:
                try:
                    with urllib.request.urlopen(address, timeout=60) as answer:
                        return answer.read().decode().split("<article")[1:]
                except urllib.error.HTTPError:  # the server is busy with the first papers; a person looks again, too
                    return []

            def is_ranked() -> bool:
                time.sleep(0.5)  # the pages answer 300 requests a minute
                first = shown()[:5]
                return len(first) == 5 and all("cs.IR" in each and "ecause you liked" in each for each in first)

            assert processes.eventually(is_ranked, MOST_SECONDS - (time.monotonic() - started_at)), shown()[:5]
            assert len(shown()) == 20
    assert [path.name for path in tmp_path.rglob("*.toml")] == ["paperfeed.toml"]
    assert [path.name for path in tmp_path.rglob("*.db")] == ["paperfeed.db"]


@pytest.mark.slow
def test_from_nothing_to_a_page(folder: Path) -> None:
    """`up --once` writes a ranked page from recorded sources.

    The first run searches the last days, later ones read the announcements. If the source fails, the page is still
    written, and the exit code is 1.
    """
    assert run(folder, *INIT).returncode == 0
    with arxiv() as source:
        use_local(folder, source)
        first = run(folder, "up", "--once")
        assert first.returncode == 0, first.stdout + first.stderr
        assert "submittedDate" in source.requests[0][0]
        source.requests.clear()
        source.say(lambda request: request.reply(b"", 404))
        second = run(folder, "up", "--once", "--page", "out/mine.html")
        assert second.returncode == 1
        assert [path for path, _ in source.requests] == ["/atom/cs.LG"]
        assert "problem: arXiv cs.LG:" in second.stdout
        assert "it answered 404" in second.stdout

    page = (folder / "feed.html").read_text(encoding="utf-8")
    assert page.count("<article>") == 12
    assert "Your papers" in page
    assert "no likes yet" not in page
    assert (folder / "out" / "mine.html").exists()
    assert likes_and_papers(folder) == (3, 12)
    assert [path.name for path in folder.glob("*.db")] == ["paperfeed.db"]


@pytest.mark.slow
def test_mail_of_a_run(folder: Path) -> None:
    """With an address in the settings, a run mails the digest to it; a new address in the settings is used next."""
    run(folder, *INIT[:-1], "--mail", "ada@example.org", "--smtp", "127.0.0.1:2525")
    with arxiv() as source, smtp_server() as inbox:
        use_local(folder, source)
        change(folder, mail__smtp_port=inbox.port)
        done = run(folder, "up", "--once")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1  sent" in done.stdout
        change(folder, schedule__mail_to="ada@example.com", schedule__mail_papers=5)
        again = run(folder, "up", "--once")
        assert "1  has it" in again.stdout
    listed = run(folder, "mail", "subscribers", "list").stdout
    assert "ada@example.com" in listed
    assert listed.strip().endswith("5")
    assert [address for address, _ in inbox.messages] == ["ada@example.org"]


@pytest.mark.slow
def test_everything_runs_and_ends(folder: Path) -> None:
    """Server, pages and schedule run, a part that is killed comes back, and SIGTERM ends everything with code 0."""
    run(folder, *INIT)
    with arxiv() as source:
        use_local(folder, source)
        with up(folder) as running:
            address = running.line("your paperfeed: ")
            server = running.line("the server: ").partition(";")[0]
            with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
                assert answer.read() == b"ok"
            assert eventually(lambda: likes_and_papers(folder) == (3, 12))

            def ranked() -> int:
                try:
                    with Client(server) as client:
                        return len(client.feeds.GetFeed(GetFeedRequest(user_id="me", page_size=20)).slate.items)
                except grpc.RpcError:  # while the server starts again
                    return -1

            assert eventually(lambda: ranked() == 12)
            pids = parts_of(running.process.pid)
            assert set(pids) == {"serve", "mail", "run"}
            os.kill(pids["serve"], signal.SIGKILL)
            assert eventually(lambda: parts_of(running.process.pid).get("serve", pids["serve"]) != pids["serve"])
            assert eventually(lambda: ranked() == 12)

            last = parts_of(running.process.pid)
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(SECONDS) == 0
        assert not any(is_alive(pid) for pid in last.values())


@pytest.mark.slow
def test_the_page_says_why_it_is_empty(folder: Path) -> None:
    """While the first fetch fails, the page names the source, its answer and the time of the next try."""
    run(folder, *INIT)
    with arxiv() as source:
        use_local(folder, source)
        source.say(lambda request: request.reply(b"", 404))
        with up(folder) as running:
            address = running.line("your paperfeed: ")

            def shown() -> str:
                time.sleep(0.5)  # the pages limit the requests of a client
                with urllib.request.urlopen(address, timeout=30) as answer:
                    return str(answer.read().decode())

            assert eventually(lambda: "the next try is at" in shown())
            assert "There are no papers yet: arXiv cs.LG: " in shown()
            assert "it answered 404" in shown()
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(SECONDS) == 0


@pytest.mark.slow
def test_nothing_stays_after_a_kill(folder: Path) -> None:
    """If `up` itself is killed, its parts end by themselves."""
    run(folder, *INIT)
    with arxiv() as source:
        use_local(folder, source)
        with up(folder) as running:
            running.line("your paperfeed: ")
            pids = parts_of(running.process.pid)
            running.process.kill()
            assert eventually(lambda: not any(is_alive(pid) for pid in pids.values()))


@pytest.mark.slow
def test_a_part_that_fails_for_good(folder: Path) -> None:
    """A part that cannot start ends everything, with a line that names it and the cause."""
    run(folder, *INIT)
    with arxiv() as source:
        use_local(folder, source)
        change(folder, schedule__zone="Mars/Base")
        with up(folder) as running:
            assert running.process.wait(SECONDS) == 2
    said = (folder / "errors").read_text(encoding="utf-8")
    assert "zone: 'Mars/Base' is not a time zone" in said
    assert "the schedule ended with exit code 2; giving up" in said


def parts_of(pid: int) -> dict[str, int]:
    """Return the process id of each part of ``up``, by the first word of its command."""
    found = {}
    for each in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            words = (each / "cmdline").read_bytes().decode().split("\0")
        except (OSError, ValueError):
            continue
        if parent == pid and "cli.part" in words:
            found[words[words.index("cli.part") + 1]] = int(each.name)
    return found


def is_alive(pid: int) -> bool:
    """Return whether the process runs."""
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_without_settings(folder: Path) -> None:
    """Without paperfeed.toml, `up` says what to do and makes nothing."""
    done = run(folder, "up")
    assert done.returncode == 2
    assert "make one with: paperfeed init" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["refs.bib"]
