"""``paperfeed demo``: it runs to its end in a process of its own and leaves nothing running."""

import html
import json
import re
from pathlib import Path

import pytest

from cli.demo.samples import sample_users
from tests.cli.command import Run, in_process
from tests.mailer.checker import problems
from tests.requirements import require

NASTY = "<script>alert('x')</script> & \"friends\""


def message_problems(content: bytes) -> list[str]:
    """Return the problems that the checker of mails finds."""
    base_url = re.search(rb"^List-Unsubscribe: <(http://127\.0\.0\.1:\d+)/", content, re.MULTILINE)
    assert base_url is not None
    return problems(content, base_url[1].decode())


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if str(folder) in line:
            found.append(line)
    return found


def assert_like_changed_the_feed(printed: str, mail: str) -> None:
    """Check that the liked paper is the mail's fifth, and that the next feed has other ranks."""
    words = " ".join(printed.split())
    said = re.search(r"presses Like: “(.+?)”\. Mailed papers are not shown again\. (.+?) The server has stopped", words)
    assert said is not None, printed
    titles = re.findall(r'<h2 class="name"[^>]*>(?:<a [^>]*>)?([^<]+)<', mail)
    assert " ".join(html.unescape(titles[4]).split()) == said[1]
    changes = re.findall(r"(\d+) \(was (below )?(\d+)\)", said[2])
    assert changes
    assert all(below or new != old for new, below, old in changes)
    assert said[1] not in said[2]


@pytest.mark.slow
def test_demo_runs_to_its_end(tmp_path: Path) -> None:
    """The demo prints three feeds, the effect of likes and an unknown user's feed, and writes a page and mails.

    It needs no key and no certificate, whatever the settings of a real server say.
    """
    require("proc", Path("/proc/self/cmdline").exists(), "needs /proc, which Linux has")
    out = tmp_path / "out"
    others = {"host": "0.0.0.0", "auth": "mtls", "server_tls_cert": "none.pem", "tls_ca": "none.pem"}
    done = in_process("demo", "--out", out, db=f"sqlite:///{tmp_path / 'unused.db'}", log_level="INFO", **others)
    assert done.code == 0, done.err[-2000:]
    for number in range(1, 7):
        assert re.search(rf"^{number}\. ", done.out, re.MULTILINE), done.out
    users = sample_users()
    assert len(users) == 3
    page = (out / "preview.html").read_text(encoding="utf-8")
    for user in users:
        assert done.out.count(user.name) >= 2
        assert f"</span>{user.name}</h2>" in page
    assert page.count("<section>") == 3
    assert page.count("<li><article>") == page.count('<p class="abstract">') == 30
    assert "http://" not in re.sub(r'href="[^"]*"', "", page)
    assert len(list((out / "mail").glob("*.eml"))) == len(list((out / "mail").glob("*.html"))) == 3
    for file in (out / "mail").glob("*.eml"):
        assert message_problems(file.read_bytes()) == []
    assert re.search(r"^ +3  sent$", done.out, re.MULTILINE)
    assert_like_changed_the_feed(done.out, (out / "mail" / f"{users[1].user_id}.html").read_text(encoding="utf-8"))
    assert processes_of(out) == []
    assert not (tmp_path / "unused.db").exists()
    log = [json.loads(line) for line in (out / "server.log").read_text().splitlines()]
    assert log[-1]["message"] == "stopped"


@pytest.mark.slow
def test_own_digest_is_escaped(tmp_path: Path) -> None:
    """Markup in the titles, the links and the name of a user's own digest ends up as text in the page."""
    digest, out = tmp_path / "<b>mine.jsonl", tmp_path / "out"
    papers = [
        {"paper_id": f"own:{i}", "title": f"{NASTY} number {i}", "abstract": "Graphs and code.", "url": "javascript:x"}
        for i in range(12)
    ]
    papers[0]["url"] = 'https://example.org/"><script>'
    digest.write_text("".join(json.dumps(paper) + "\n" for paper in papers))
    done = in_process(
        "demo", "--digest", digest, "--date", "2026-03-11", "--out", out, db=f"sqlite:///{tmp_path / 'unused.db'}"
    )
    assert done.code == 0, done.err[-2000:]
    page = (out / "preview.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "javascript:" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;friends&quot;" in page


def test_date_without_digest(paperfeed: Run, tmp_path: Path) -> None:
    """--date without --digest is wrong usage, reported before a server starts."""
    done = paperfeed("demo", "--date", "2026-03-11", "--out", tmp_path / "out")
    assert done.code == 2
    assert done.err == "paperfeed: date: belongs to your own digest: give --digest too\n"
    assert not (tmp_path / "out").exists()


def test_out_is_a_file(paperfeed: Run, tmp_path: Path) -> None:
    """A file where the folder should be is wrong usage, and stays as it is."""
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    done = paperfeed("demo", "--out", tmp_path / "taken")
    assert done.code == 2
    assert done.err == f"paperfeed: out: cannot write to {tmp_path / 'taken'}: it is not a folder\n"
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"
