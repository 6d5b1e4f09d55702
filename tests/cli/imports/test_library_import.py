"""``paperfeed library import``."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.command import Run, row_counts

pytestmark = pytest.mark.usefixtures("empty_db")

KNOWN = {"paper_id": "arxiv:1706.03762", "title": "Attention is all you need", "abstract": "We propose a network."}
BIBTEX = """
@article{a, title = {Attention is all you need}, author = {Vaswani, Ashish}, eprint = {1706.03762},
  archivePrefix = {arXiv}}
@article{b, title = {Deep {R}esidual Learning for Image Recognition}, author = {He, Kaiming and Zhang, Xiangyu},
  doi = {10.1109/CVPR.2016.90}, year = {2016}}
"""
RIS = """TY  - JOUR
TI  - Attention is all you need
AU  - Vaswani, Ashish
ER  -

TY  - JOUR
TI  - Deep Residual Learning for Image Recognition
AU  - He, Kaiming
DO  - 10.1109/CVPR.2016.90
ER  -
"""
ZOTERO = (
    '"Key","Item Type","Publication Year","Author","Title","DOI","Date Added"\n'
    '"AAAA","journalArticle","2017","Vaswani, Ashish","Attention is all you need","","2024-03-01 10:00:00"\n'
    '"BBBB","journalArticle","2016","He, Kaiming","Deep Residual Learning for Image Recognition",'
    '"10.1109/CVPR.2016.90","2024-03-02 10:00:00"\n'
)
FORMATS = {"library.bib": BIBTEX, "library.ris": RIS, "library.csv": ZOTERO}


def liked(path: Path) -> list[tuple[str, str]]:
    """Return (user, title) of all likes."""
    statement = """SELECT user_id, title FROM events JOIN papers USING (paper_id) WHERE event_type = 'like'
                   ORDER BY events.sequence"""
    connection = sqlite3.connect(path)
    try:
        return list(connection.execute(statement))
    finally:
        connection.close()


@pytest.fixture
def known_paper(paperfeed: Run, tmp_path: Path) -> None:
    """A catalog with one paper that is in every library here."""
    papers = tmp_path / "papers.jsonl"
    papers.write_text(json.dumps(KNOWN))
    assert paperfeed("papers", "import", papers).code == 0


@pytest.mark.parametrize("name", FORMATS)
def test_matches_and_adds(name: str, known_paper: None, paperfeed: Run, tmp_path: Path, db_path: Path) -> None:
    """In each format the known paper is found by id or title, the other is added, and both are liked once."""
    library = tmp_path / name
    library.write_text(FORMATS[name])
    first = paperfeed("library", "import", library, "--user", "ada", "--json")
    second = paperfeed("library", "import", library, "--user", "ada", "--json")
    assert first.code == 0, first.err
    common = {"entries": 2, "papers": 2, "skipped": [], "repaired": []}
    counts = {"added": 1, "matched": 1, "liked": 2, "liked_before": 0, "embedded": 1}
    again = {"added": 0, "matched": 2, "liked": 0, "liked_before": 2, "embedded": 0}
    assert json.loads(first.out) == common | counts
    assert json.loads(second.out) == common | again
    assert liked(db_path) == [("ada", KNOWN["title"]), ("ada", "Deep Residual Learning for Image Recognition")]


def test_two_formats_one_paper(paperfeed: Run, tmp_path: Path, db_path: Path) -> None:
    """The same library in three formats gives two papers, not six."""
    for name, content in FORMATS.items():
        (tmp_path / name).write_text(content)
        assert paperfeed("library", "import", tmp_path / name, "--user", "ada").code == 0
    assert row_counts(db_path)["papers"] == 2


def test_user_is_required(paperfeed: Run, tmp_path: Path) -> None:
    """Without --user it is wrong usage: exit code 2 and the option's name."""
    done = paperfeed("library", "import", tmp_path / "library.bib")
    assert done.code == 2
    assert "--user" in done.err


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ("just some words", 1, "{file}: is neither BibTeX nor RIS nor a CSV export of Zotero"),
        (BIBTEX[:-30], 1, "{file}, line 4: the file ends inside the BibTeX entry b that begins here"),
        ("TY  - JOUR\nAU  - He, Kaiming\nER  -\n", 1, "{file}: nothing could be imported"),
    ],
)
def test_bad_library(
    content: str, code: int, message: str, known_paper: None, paperfeed: Run, tmp_path: Path, db_path: Path
) -> None:
    """A file that is no library or cut off changes nothing, and the reason is named."""
    library = tmp_path / "library.txt"
    library.write_text(content)
    before = row_counts(db_path)
    done = paperfeed("library", "import", library, "--user", "ada")
    assert done.code == code
    assert done.err.startswith("paperfeed: " + message.format(file=library)), done.err
    assert len(done.err.splitlines()) == 1
    assert row_counts(db_path) == before


def test_bad_user(known_paper: None, paperfeed: Run, tmp_path: Path, db_path: Path) -> None:
    """A user id with a space is wrong usage, and nothing is stored."""
    library = tmp_path / "library.bib"
    library.write_text(BIBTEX)
    before = row_counts(db_path)
    done = paperfeed("library", "import", library, "--user", "ada lovelace")
    assert done.code == 2
    assert done.err.startswith("paperfeed: user_id: ")
    assert row_counts(db_path) == before
