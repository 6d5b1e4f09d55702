"""No text of strangers controls the terminal."""

import ast
import io
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.table import Table

from cli.output import ProgressLines, SafeConsole, progress_bar
from paperfeed.v1.profile_pb2 import Preferences, UpdatePreferencesRequest
from service.logs import JsonFormatter
from testing.calls import make_digest, make_papers, record, upsert_ready
from testing.servers import Service, serving
from tests.cli.command import Run
from tests.process.running import ROOT

HOSTILE = (
    "\x1b]0;pwned\x07\x1b[2J\x1b[31mred\x9b31m\x7f \u202edesrever\u2066 \u200f\nFAKE LINE 1. 9.99\r\u2028more\x08\x0b"
)
"""A text with control characters of every kind."""
PRINTING = {"print", "Console", "sys.stdout", "sys.stderr", "typer.echo", "typer.secho"}
MAY_PRINT = {"cli/output.py"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A server whose papers, likes and preferences have hostile texts."""
    with serving(f"sqlite:///{tmp_path / 'hostile.db'}") as running:
        papers = make_papers(3)
        for number, paper in enumerate(papers):
            paper.title = f"{HOSTILE} {number} {paper.title}"
        paper_ids = upsert_ready(running.client, papers)
        make_digest(running.client, paper_ids, digest_id="esc")
        record(running.client, "ada", "like", paper_ids[0])
        words = Preferences(followed_topics=[HOSTILE, "vision"], muted_keywords=[HOSTILE[::-1]])
        running.client.profiles.UpdatePreferences(UpdatePreferencesRequest(user_id="ada", preferences=words))
        yield running


def assert_harmless(text: str) -> None:
    """Check that all characters are printable, and that no hostile text has made a line of its own."""
    assert {character for character in text if not character.isprintable()} <= {"\n"}
    assert not any(line.strip().startswith("FAKE") for line in text.splitlines())


@pytest.mark.parametrize("words", [["feed", "ada"], ["feed", "new"], ["similar", "{paper}"], ["profile", "ada"]])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_texts_of_a_server(paperfeed: Run, service: Service, words: list[str], form: list[str]) -> None:
    """Titles, topics and reasons are printed without control characters, as text and as JSON."""
    with service.application.store.read() as tx:
        paper_id = tx.papers.page(after="", limit=1)[0].paper_id
    done = paperfeed(*(word.format(paper=paper_id) for word in words), *form, "--server", service.target)

    assert done.code == 0
    assert "desrever" in done.out
    assert_harmless(done.out)
    if form:
        assert "\u202e" in json.dumps(json.loads(done.out), ensure_ascii=False)


def test_errors_of_a_server(paperfeed: Run, service: Service) -> None:
    """The message of an error repeats a hostile id without control characters, in one line."""
    done = paperfeed("similar", f"x{HOSTILE}y", "--server", service.target)

    assert done.code == 1
    assert "desrever" in done.err
    assert len(done.err.splitlines()) == 1
    assert_harmless(done.err)


def test_tables() -> None:
    """The cells and titles of tables are printed without control characters; styles stay."""
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE, style="red")
    console = SafeConsole(file=io.StringIO(), force_terminal=True, color_system="standard", width=200, no_color=False)
    console.print(table)
    shown = console.file.getvalue()  # type: ignore[attr-defined]

    assert "\x1b[31m" in shown
    assert not {"\x07", "\x08", "\x0b", "\x7f", "\x9b", "\u2028", "\u202e", "\u2066", "\u200f"} & set(shown)
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown


def test_logs() -> None:
    """A line of the log has no control character, whatever its facts are."""
    entry = logging.LogRecord("paperfeed", logging.INFO, "", 0, HOSTILE, (), None)
    entry.facts = {"problem": HOSTILE}

    line = JsonFormatter().format(entry)

    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["problem"] == HOSTILE


def test_only_one_module_prints() -> None:
    """All commands print through ``cli.output``."""
    others = [path for path in (ROOT / "cli").rglob("*.py") if path.relative_to(ROOT).as_posix() not in MAY_PRINT]
    for path in others:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name | ast.Attribute):
                assert ast.unparse(node) not in PRINTING, f"{path}, line {node.lineno}"


def test_progress_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal, progress is printed as lines with the stage and the counts."""
    lines = ProgressLines("storing", 2_000, every_seconds=0)
    lines.advance(1_000)
    lines.advance(500)
    lines.reach(3, 7, "embedding")
    ProgressLines("exporting", every_seconds=0).advance(5)

    assert capsys.readouterr().err.splitlines() == [
        "paperfeed: storing: 1,000 of 2,000",
        "paperfeed: storing: 1,500 of 2,000",
        "paperfeed: embedding: 3 of 7",
        "paperfeed: exporting: 5",
    ]


def test_progress_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    """Many steps within a short time print one line at most, and short work prints none."""
    lines = ProgressLines("storing", 100, every_seconds=0.2)
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        lines.advance(1)
    with progress_bar("quick", 100) as bar:
        for _ in range(100):
            bar.advance(1)

    assert len(capsys.readouterr().err.splitlines()) == 1
