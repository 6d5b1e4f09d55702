"""``paperfeed papers import``."""

import json
from pathlib import Path

import pytest

from tests.cli.command import Run, row_counts

GOOD = '{"paper_id": "x:1", "title": "First"}\n'
BAD = '{"paper_id": "x:2"}\n'


@pytest.mark.parametrize("option", [(), ("--strict",)])
def test_one_wrong_line_refuses_the_file(option: tuple[str, ...], paperfeed: Run, tmp_path: Path) -> None:
    """By default nothing is stored if one line is wrong, because programs write these files."""
    (tmp_path / "papers.jsonl").write_text(GOOD + BAD)
    done = paperfeed("papers", "import", tmp_path / "papers.jsonl", *option)
    assert done.code == 1
    assert done.err == f"paperfeed: {tmp_path / 'papers.jsonl'}, line 2: title: is missing\n"
    assert not (tmp_path / "paperfeed.db").exists()


def test_wrong_lines_are_left_out_on_request(paperfeed: Run, tmp_path: Path) -> None:
    """With --no-strict wrong lines are left out and named."""
    (tmp_path / "papers.jsonl").write_text(BAD + GOOD)
    done = paperfeed("papers", "import", tmp_path / "papers.jsonl", "--no-strict", "--report", tmp_path / "report")
    again = paperfeed("papers", "import", tmp_path / "papers.jsonl", "--no-strict", "--json")

    assert done.code == 0, done.err
    assert "1 of 2 imported, 1 skipped\nleft out:\n  line 1: title: is missing\n" in done.out
    assert (tmp_path / "report").read_text() == "left out: line 1: title: is missing\n"
    assert json.loads(again.out)["skipped"] == [{"line": 1, "key": "", "reason": "title: is missing"}]
    assert row_counts(tmp_path / "paperfeed.db")["papers"] == 1


def test_nothing_to_import(paperfeed: Run, tmp_path: Path) -> None:
    """If every line is wrong, the exit code is 1."""
    (tmp_path / "papers.jsonl").write_text(BAD)
    done = paperfeed("papers", "import", tmp_path / "papers.jsonl", "--no-strict")
    assert done.code == 1
    assert done.err.endswith("nothing could be imported\n")
    assert not (tmp_path / "paperfeed.db").exists()
