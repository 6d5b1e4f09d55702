import contextlib
import time

import pytest

from service.domain.errors import InvalidFile
from service.ingest.digests.markdown_list import parse_markdown_list

LONG = "We watch moss on walls for a year and a day, and find that it keeps time better than most clocks do."
A, B = "Moss clocks of the northern wall", "Snails that read"
U, V = "https://arxiv.org/abs/2603.00001", "https://arxiv.org/pdf/2603.00002v2.pdf"
IDS = ["arxiv:2603.00001", "arxiv:2603.00002"]
LISTS = {
    "links": f"# Daily\n\n- [{A}]({U})\n- [{B}]({V})\n",
    "numbers and bold links": f"1. **[{A}]({U})**\n2. **[{B}]({V})**\n",
    "bold links inside": f"* [**{A}**]({U})\n* [**{B}**]({V}) ![](https://img.shields.io/x)\n",
    "labels": f"- {A} [[arXiv]({U})] [[code](https://github.com/a/wall-clocks)]\n- {B} ([paper]({V}))\n",
    "labels before": f"- [[arXiv]({U})] {A}\n- [2603.00002]({V}) {B}\n",
    "days and labels": f"- (2026-03-11) **{A}** [pdf]({U})\n- [2026/03/11] {B}, [[Paper]({V})] [[Code](https://a.b)]\n",
    "sentences": f"- {A}. Ida Noll, Ben Orr. [PDF]({U})\n- {B}. Cy Poe. [PDF]({V})\n",
    "headings": f"## [{A}]({U})\n\n**Authors:** Ida Noll, Ben Orr\n\n{LONG}\n\n## [{B}]({V})\n\n*Cy Poe*\n\n{LONG}\n",
    "headings with details": f"### {A}\n- **Authors**: Ida Noll\n- **Link**: [arXiv]({U})\n- **Abstract**: {LONG}\n\n"
    f"### 2. {B} of walls\n- Paper ID: [2603.00002]({V})\n- Authors: Cy Poe\n",
    "fields": f"# Date: 2026-03-11\n\n## {A}\n**Authors**: Ida Noll  \n**Link**: [arXiv]({U})  \n**Domain**: Moss  \n\n"
    f"**Abstract**: \n{LONG}\n\n---\n\n## {B} of walls\n\n[arXiv]({V})\n\n**Authors:** Cy Poe\n\n**Summary:** {LONG}\n",
    "sections": f"# Papers 2026-03-11\n## [Contents](#contents)\n- [Moss](#moss)\n## Moss\n- [{A}]({U})\n"
    f"## Snails\n- [{B}]({V})\n"
    "\n## Links\n- [The repository of this list](https://github.com/a/b)\n",
    "nested": f"- **{A}**\n  - Authors: Ida Noll\n  - [arXiv]({U})\n  - {LONG}\n- [{B}]({V})\n  > {LONG}\n",
    "wrapped": f"- [{A}]({U})\n  Ida Noll, Ben Orr\n  {LONG}\n- [{B}]({V})\n",
    "details": f"- [{A}]({U})\n\n  <details><summary>Abstract</summary>{LONG}</details>\n\n- [{B}]({V})\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_daily_repositories_are_read(kind: str) -> None:
    """Titles and ids are right, whether the title is the text of the link, bold, a heading or beside the link."""
    papers, skipped = parse_markdown_list(LISTS[kind], "f")

    assert [paper.paper_id for paper in papers] == IDS
    assert papers[0].title == A
    assert papers[1].title.startswith(B)
    assert papers[0].url == U
    assert skipped == ()


@pytest.mark.parametrize("kind", ["headings", "headings with details", "fields", "nested", "wrapped", "details"])
def test_abstracts_and_authors_are_read(kind: str) -> None:
    """Text below a title is its abstract; names in italics, alone in a line or after "Authors" its authors."""
    paper = parse_markdown_list(LISTS[kind], "f")[0][0]
    assert LONG in paper.abstract
    assert kind == "details" or paper.authors[0] == "Ida Noll"


def test_authors_in_a_sentence_are_read() -> None:
    """Names after the title's full stop are no part of the title."""
    assert parse_markdown_list(LISTS["sentences"], "f")[0][0].authors == ("Ida Noll", "Ben Orr")


def test_repeated_papers_are_left_out_and_named() -> None:
    """A paper under two headings counts once."""
    papers, skipped = parse_markdown_list(f"# Moss\n- [{A}]({U})\n# Walls\n- [{A}]({U}v2)\n- [{B}]({V})\n", "f")
    assert len(papers) == 2
    assert [str(each) for each in skipped] == [f"line 4, {A}: repeats the paper of line 2"]


def test_links_to_unknown_hosts_need_titles() -> None:
    """Without any known host, items whose link is a title of three words are papers."""
    text = "- [Home](https://j.example)\n- [A slow method for fast glaciers](https://j.example/1)\n"
    papers, _ = parse_markdown_list(text, "f")
    assert [paper.title for paper in papers] == ["A slow method for fast glaciers"]


@pytest.mark.parametrize(
    "text", ["", "# Moss\n\ntext", "- [Home](https://j.example)", "- [x](javascript:alert(1))", "- moss grows on walls"]
)
def test_other_markdown_is_refused(text: str) -> None:
    """A page without papers is an error."""
    with pytest.raises(InvalidFile, match="has no list of papers"):
        parse_markdown_list(text, "f")


@pytest.mark.parametrize(
    "piece", ["- [", "- ", "> ", "* [a](https://arxiv.org/abs/2401.00001)\n", "**", "`", "[", "](", "<a ", "# "]
)
def test_hostile_markdown_ends(piece: str) -> None:
    """Deep nesting and open brackets end within seconds."""
    began = time.perf_counter()
    with contextlib.suppress(InvalidFile):
        parse_markdown_list(piece * 2_000, "f")
    assert time.perf_counter() - began < 10
