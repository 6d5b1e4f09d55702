"""The Markdown files: their links lead to files and headings that exist, and their lines are short."""

import re
from pathlib import Path

import pytest

from tests.process.running import ROOT

FOLDERS = ("docs", "benchmarks", "proto", "cli")
PAGES = sorted([*ROOT.glob("*.md"), *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))])
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LONGEST_LINE = 120


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_resolve(page: Path) -> None:
    """Every relative link of the page names an existing file or folder, and an existing heading of a page."""
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]

    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_are_short(page: Path) -> None:
    """No line of prose is longer than a line of code may be; rows of tables and pictures cannot be broken."""
    prose = CODE.sub("", page.read_text(encoding="utf-8")).splitlines()

    assert [line for line in prose if len(line) > LONGEST_LINE and not line.startswith(("|", "!["))] == []
