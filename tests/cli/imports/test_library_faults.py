"""``paperfeed library import`` of files with faults that real libraries have, one kind each."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Run, row_counts

MOSS, LICHEN = "Moss clocks of the northern wall", "Lichen calendars of the southern wall"
DUST = "Dust around {} stars of the south"

# File name: content, titles, reasons by line of what was skipped and of what was repaired.
Case = tuple[str, set[str], dict[int | None, str], dict[int | None, str]]
CASES: dict[str, Case] = {
    "untitled.bib": (
        f"""@article{{noll2030, author = {{Noll, Ida}}, title = {{{MOSS}}}, doi = {{10.9999/moss.1}}}}
@article{{orr2029, author = {{{{Orr}}, B.}}, journal = {{J. Imag. Geophys.}}, year = 2029, doi = {{10.9999/jig.7}}}}
@book{{poe2028, author = {{Poe, Cy}}, booktitle = {{Advances in imaginary systems}}, year = 2028}}
@misc{{store, author = {{Icebox}}, howpublished = {{\\url{{http://store.example.org/}}}}}}
@set{{both, entryset = {{noll2030,orr2029}}}}
@article{{short, crossref = {{noll2030}}}}
@article{{lim2031, author = {{Lim, Di}}, title = {{{LICHEN}}}}}
""",
        {MOSS, LICHEN},
        {2: "has no title", 3: "has no title", 4: "has no title"},
        {},
    ),
    "untitled.ris": (
        f"TY  - JOUR\nTI  - {MOSS}\nER  - \n\nTY  - JOUR\nT2  - J. X.\nER  - \n\nTY  - JOUR\nTI  - {LICHEN}\nER  - \n",
        {MOSS, LICHEN},
        {5: "has no title"},
        {},
    ),
    "untitled.csv": (
        (
            '"Key","Item Type","Author","Title","Date Added"\n'
            f'"AAAA1111","journalArticle","Noll, Ida","{MOSS}","2030-02-05 10:00:00"\n'
            '"BBBB2222","letter","Orr, Ben","","2030-02-05 10:01:00"\n'
            f'"CCCC3333","preprint","Lim, Di","{LICHEN}","2030-02-06 10:00:00"\n'
        ),
        {MOSS, LICHEN},
        {3: "has no title"},
        {},
    ),
    "broken.bib": (
        f"""@article{{noll2030, author = {{Noll, Ida}}, title = {{{MOSS}}}}}
@article{{
  author = {{Orr, Ben}}, title = {{No citation keys}}
}}
@article{{Poe-2028
  title = {{A comma is missing}}, author = {{Poe, Cy}}
}}
@article{{adé2027, author = {{Adé, Olu Below}}láyí and Fay, O.}}, title = {{A stray brace}}, year = {{2027}}}}
@article{{lost, author {{Orr, Ben}}, title {{No sign}}}}
@article{{lim2031, author = {{Lim, Di}}, title = {{{LICHEN}}}}}
""",
        {MOSS, LICHEN, "No citation keys", "A comma is missing", "A stray brace"},
        {9: "'author {Orr, Ben}, title {No s' is no field (line 9)"},
        {
            2: "it has no key",
            5: "a comma is missing before title (line 6)",
            8: "the value of author ends too early (line 8)",
        },
    ),
    "commas.bib": (
        """@article{a, title = {Rivers that move at night}
  journal = {J. Rivers}, author = {Noll, Ida}, year = {2030}
}
@book{d, author = {Humm Appleby}
  title = {On the merit of commas}, year = {1981}}
""",
        {"Rivers that move at night", "On the merit of commas"},
        {},
        {1: "a comma is missing before journal (line 2)", 4: "a comma is missing before title (line 5)"},
    ),
    "latex.bib": (
        r"""@misc{a, title = {\texttt{mossclock}: a small program for walls}}
@misc{b, title = {{\mbox{LICHEN}}: learning on walls}}
@misc{c, title = {Bounds for \textsf{Wall} and \textup{Moss} problems of lambda\({}^{\mbox{-2}}\)}}
@misc{d, title = {Growth of {\textless}i{\textgreater}Bryum{\textless}/i{\textgreater} on old walls}}
@misc{e, title = {{\textbeta}-glucans of the upper moss layer}}
@misc{f, title = {Moss priced in {\pounds} and {\textbar}x{\textbar}}}
@misc{g, title = {Ice of H$_2$O and CO$_2$ at 10$^{\circ}$C on $^{18}$O dust}}
@misc{h, title = {Costs rose from $5 million in 2001 to $10 million in 2009, and US$3 a wall.}}
""",
        {
            "mossclock: a small program for walls",
            "LICHEN: learning on walls",
            "Bounds for Wall and Moss problems of lambda-2",
            "Growth of Bryum on old walls",
            "β-glucans of the upper moss layer",
            "Moss priced in £ and |x|",
            "Ice of H2O and CO2 at 10°C on 18O dust",
            "Costs rose from $5 million in 2001 to $10 million in 2009, and US$3 a wall.",
        },
        {},
        {},
    ),
    "strings.bib": (
        """@string{ida = "Noll, Ida"}
@string{wall = "northern wall"}
@article{s1, title = "Moss clocks of the " # wall, author = ida # " and Orr, Ben", year = 2030}
""",
        {MOSS},
        {},
        {},
    ),
    "last.ris": (f"TY  - JOUR\nTI  - {MOSS}\nER  - \nTY  - JOUR\nTI  - {LICHEN}\n", {MOSS, LICHEN}, {}, {}),
    "space.ris": (f"TY - JOUR\nTI - {MOSS}\nAU - Noll, Ida\nER - \n", {MOSS}, {}, {}),
    "no-type.ris": (f"Scopus\n\nTI  - {MOSS}\nER  - \n\nTI  - {LICHEN}\nER  - \n", {MOSS, LICHEN}, {}, {}),
    "semicolons.csv": (f"Key;Item Type;Title\nAAAA1111;book;{MOSS}\nBBBB2222;book;{LICHEN}\n", {MOSS, LICHEN}, {}, {}),
}


@pytest.mark.usefixtures("empty_db")
@pytest.mark.parametrize("name", CASES)
def test_what_is_good_arrives(name: str, paperfeed: Run, tmp_path: Path) -> None:
    """What is good arrives, and the rest is named with line and reason."""
    content, titles, skipped, repaired = CASES[name]
    path = tmp_path / name
    path.write_text(content)
    done = paperfeed("library", "import", path, "--user", "ada", "--json")

    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert {problem["line"]: problem["reason"] for problem in result["skipped"]} == skipped
    assert {problem["line"]: problem["reason"] for problem in result["repaired"]} == repaired
    assert result["papers"] == result["liked"] == len(titles)
    assert stored(paperfeed, tmp_path).keys() == titles


def stored(paperfeed: Run, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Return all stored papers by title."""
    import sqlite3

    with sqlite3.connect(tmp_path / "paperfeed.db") as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM papers")]
    connection.close()
    return {row["title"]: row for row in rows}


def test_names_dates_and_letters(paperfeed: Run, tmp_path: Path) -> None:
    """Authors, dates and letters of other encodings are stored right."""
    (tmp_path / "names.bib").write_bytes(
        rf"""
@article{{a, title = {{{DUST.format("two")}}},
  author = {{Noll, I. and {{Garc{{\'\i}}a}}, Jos{{\'e}} and {{Lara}}, {{L.-M.}}}}}}
@article{{b, title = {{{DUST.format("three")}}}, author = {{NOLL, IDA AND ORR, BEN}}}}
@article{{c, title = {{{DUST.format("four")}}}, author = {{Noll, I.; Orr, B.; Poe, C.}}}}
@article{{d, title = {{Horloges des forêts du nord}}, author = {{Lefèvre, René}}}}
""".encode("cp1252")
    )
    (tmp_path / "dates.ris").write_text(
        "TY  - JOUR\nTI  - Clouds of the middle layer\nDA  - 2026/02/24/\nPY  - 2026\nER  - \n"
        "TY  - JOUR\nT1  - Clouds of the upper layer\nY1  - 2026/02/25/\nER  - \n"
        "TY  - JOUR\nTI  - Clouds of the lower layer\nDA  - 2026/02/26\nER  - \n"
    )
    first = paperfeed("library", "import", tmp_path / "names.bib", "--user", "ada")
    assert first.code == 0, first.err
    assert "line 6 is not UTF-8 and was read as Windows-1252" in first.out
    assert paperfeed("library", "import", tmp_path / "dates.ris", "--user", "ada").code == 0

    papers = stored(paperfeed, tmp_path)
    authors = {title: json.loads(paper["authors"]) for title, paper in papers.items()}
    assert authors[DUST.format("two")] == ["I. Noll", "José García", "L.-M. Lara"]
    assert authors[DUST.format("three")] == ["IDA NOLL", "BEN ORR"]
    assert authors[DUST.format("four")] == ["I. Noll", "B. Orr", "C. Poe"]
    assert authors["Horloges des forêts du nord"] == ["René Lefèvre"]
    days = {title.split()[-2]: str(paper["published_at"])[:10] for title, paper in papers.items() if "Clouds" in title}
    assert days == {"middle": "2026-02-24", "upper": "2026-02-25", "lower": "2026-02-26"}


@pytest.mark.usefixtures("empty_db")
def test_summary_list_and_report(paperfeed: Run, tmp_path: Path) -> None:
    """The terminal shows a summary and at most ten entries; the report names all."""
    good = "".join(f"@misc{{g{i}, title = {{Good paper number {i}}}}}\n" for i in range(1287))
    (tmp_path / "library.bib").write_text(good + "".join(f"@misc{{b{i}, note = {{x}}}}\n" for i in range(12)))
    done = paperfeed(
        "library", "import", tmp_path / "library.bib", "--user", "ada", "--no-embed", "--report", tmp_path / "r" / "all"
    )

    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "1,287 of 1,299 imported, 12 skipped"
    assert lines[2:5] == ["left out:", "  line 1288, b0: has no title", "  line 1289, b1: has no title"]
    assert lines[-1] == "  and 2 more; --json or --report FILE names all"
    assert len(lines) == 14
    report = (tmp_path / "r" / "all").read_text().splitlines()
    assert len(report) == 12
    assert report[-1] == "left out: line 1299, b11: has no title"


@pytest.mark.parametrize(("option", "message"), [((), "nothing could be imported"), (("--strict",), "b: has no title")])
def test_nothing_to_import(option: tuple[str, ...], message: str, paperfeed: Run, tmp_path: Path) -> None:
    """If no entry can be imported, the exit code is 1, nothing is stored and the entries are named."""
    (tmp_path / "library.bib").write_text("@misc{b, note = {x}}\n")
    done = paperfeed("library", "import", tmp_path / "library.bib", "--user", "ada", *option)
    assert done.code == 1
    assert message in done.err
    assert option or "line 1, b: has no title" in done.out
    assert not (tmp_path / "paperfeed.db").exists()


@pytest.mark.parametrize("fault", ["@misc{b, note = {x}}", "@misc{b, title = {B}\n note = {x}}"])
def test_strict(fault: str, paperfeed: Run, tmp_path: Path) -> None:
    """With --strict one fault is enough to store nothing."""
    (tmp_path / "library.bib").write_text(f"@misc{{a, title = {{A good one}}}}\n{fault}\n")
    done = paperfeed("library", "import", tmp_path / "library.bib", "--user", "ada", "--strict")
    assert done.code == 1
    assert done.err.startswith(f"paperfeed: {tmp_path / 'library.bib'}, line 2: b: ")
    assert not (tmp_path / "paperfeed.db").exists()


def test_wrong_eprints(paperfeed: Run, tmp_path: Path) -> None:
    """Papers that share a wrong eprint stay apart, also from one that is stored under it, and are found again."""
    wrong = "archivePrefix = {arXiv}, eprint = {arXiv:1011.1669v3}"
    (tmp_path / "one.bib").write_text(f"@misc{{a, title = {{Sand of the coast}}, author = {{Noll, Ida}}, {wrong}}}")
    (tmp_path / "two.bib").write_text(
        f"@misc{{b, title = {{Wind over the plain}}, author = {{Orr, Ben}}, {wrong}, doi = {{10.9999/wind.1}}}}"
    )
    (tmp_path / "two.ris").write_text("TY  - JOUR\nTI  - Wind over the plain\nAU  - Orr, B.\nER  - \n")
    assert paperfeed("library", "import", tmp_path / "one.bib", "--user", "ada").code == 0
    second = paperfeed("library", "import", tmp_path / "two.bib", "--user", "ada", "--json")
    third = paperfeed("library", "import", tmp_path / "two.ris", "--user", "ada", "--json")

    result = json.loads(second.out)
    assert (result["added"], result["matched"]) == (1, 0)
    assert result["repaired"][0]["reason"].startswith("arxiv:1011.1669 belongs to another paper in the database")
    assert json.loads(third.out)["matched"] == 1
    assert row_counts(tmp_path / "paperfeed.db")["papers"] == 2


def test_likes_are_counted_once(paperfeed: Run, tmp_path: Path) -> None:
    """A second import in another format, with other times, says that the papers were liked before."""
    (tmp_path / "a.bib").write_text(f"@misc{{a, title = {{{MOSS}}}}}\n")
    (tmp_path / "b.csv").write_text(
        f'"Key","Item Type","Title","Date Added"\n"AAAA1111","book","{MOSS}","2020-02-05 10:00:00"\n'
        f'"BBBB2222","book","{LICHEN}","9999-02-05 10:00:00"\n'
    )
    paperfeed("library", "import", tmp_path / "a.bib", "--user", "ada")
    done = paperfeed("library", "import", tmp_path / "b.csv", "--user", "ada")
    assert "1 new likes of ada, 1 liked before" in done.out
