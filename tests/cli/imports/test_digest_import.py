"""The import commands: the real digest, and everything that can be wrong with a file."""

import datetime as dt
import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.command import Run, in_process, row_counts, several_in_process

DAY = "2024-03-11"
TITLE = "A title of the page"
ABSTRACT = "An abstract has to be a good deal longer than its title, or else the page was not read rightly. " * 2
PAPER = {"paper_id": "p1", "title": "Known paper", "abstract": "Some words of its abstract."}
OTHER = {"paper_id": "p2", "title": "Another paper"}
HEADER = "user_id,paper_id,event,occurred_at\n"


def lines(*papers: object) -> bytes:
    """Return the papers as JSON Lines."""
    return "".join(json.dumps(paper) + "\n" for paper in papers).encode()


def page(*paragraphs: str) -> bytes:
    """Return the text of a trending page."""
    return "\n\n".join(paragraphs).encode()


@pytest.mark.usefixtures("empty_db")
@pytest.mark.data
def test_real_digest_twice(trending_page: Path, paperfeed: Run, db_path: Path) -> None:
    """The real page gives 77 new papers with vectors; importing it again finds nothing new and embeds nothing."""
    first = paperfeed("digest", "import", trending_page, "--date", DAY, "--json")
    counts = row_counts(db_path)
    second = paperfeed("digest", "import", trending_page, "--date", DAY, "--json")
    same = {"digest_id": f"hf-trending-{DAY}", "date": DAY, "papers": 77, "updated": 0, "pending": 0, "dropped": 0}
    same |= {"skipped": [], "repaired": [], "replaced": 0}
    assert (first.code, second.code) == (0, 0)
    assert json.loads(first.out) == same | {"digest": "created", "new": 77, "unchanged": 0, "embedded": 77}
    assert json.loads(second.out) == same | {"digest": "unchanged", "new": 0, "unchanged": 77, "embedded": 0}
    assert (counts["papers"], counts["embeddings"], counts["digest_papers"]) == (77, 77, 77)
    assert row_counts(db_path) == counts


@pytest.mark.data
def test_real_digest_in_words(trending_page: Path, db_path: Path) -> None:
    """The real command prints one line on stdout, and with --no-embed leaves vectors to the server."""
    done = in_process("digest", "import", trending_page, "--date", DAY, "--no-embed", db=f"sqlite:///{db_path}")
    assert done.code == 0
    assert " ".join(done.out.split()) == (
        f"hf-trending-{DAY}: 77 papers, 77 new, 0 updated, 0 embedded, 77 waiting for a vector"
    )
    assert "Traceback" not in done.err


def test_replacing_says_so(tmp_path: Path, paperfeed: Run) -> None:
    """Importing the same file with fewer papers reports what it replaces; importing it again is quiet about it."""
    file = tmp_path / "mine.jsonl"
    file.write_bytes(lines(PAPER, OTHER))
    one = paperfeed("digest", "import", file, "--date", DAY, "--no-embed")
    file.write_bytes(lines(OTHER))
    other, again = (paperfeed("digest", "import", file, "--date", DAY, "--no-embed") for _ in range(2))

    assert "replaces" not in one.out + again.out
    assert "it replaces the earlier digest with this id and leaves out 1 of its papers" in other.out
    assert "nothing new: all 1 papers were known before" in other.out


def digest_papers(db_path: Path) -> dict[str, set[str]]:
    """Return the paper ids of each stored digest."""
    found: dict[str, set[str]] = {}
    with closing(sqlite3.connect(db_path)) as connection:
        for digest_id, paper_id in connection.execute("select digest_id, paper_id from digest_papers"):
            found.setdefault(digest_id, set()).add(paper_id)
    return found


def test_two_sources_of_a_day_are_two_digests(tmp_path: Path, paperfeed: Run, db_path: Path) -> None:
    """The second source gets an id of its own, and keeps it when it is imported again."""
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_bytes(lines(PAPER))
    second.write_bytes(lines(OTHER))
    for file, digest_id in 2 * ((first, f"papers-{DAY}"), (second, f"papers-{DAY}-second")):
        done = paperfeed("digest", "import", file, "--date", DAY, "--no-embed", "--json")
        assert json.loads(done.out)["digest_id"] == digest_id
    assert digest_papers(db_path) == {f"papers-{DAY}": {"p1"}, f"papers-{DAY}-second": {"p2"}}


@pytest.mark.usefixtures("empty_db")
def test_a_named_digest_of_another_source_is_kept(tmp_path: Path, paperfeed: Run, db_path: Path) -> None:
    """With --id, a digest of another source is refused, joined (--add) or replaced (--replace), and each says so."""
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_bytes(lines(PAPER))
    second.write_bytes(lines(OTHER))
    into = ("--date", DAY, "--no-embed", "--id", "day")
    assert paperfeed("digest", "import", first, *into).code == 0

    refused = paperfeed("digest", "import", second, *into)
    assert (refused.code, digest_papers(db_path)) == (2, {"day": {"p1"}})
    assert refused.err == (
        "paperfeed: id: the digest 'day' has papers of another source; give --add, --replace or another --id\n"
    )
    added = paperfeed("digest", "import", second, *into, "--add")
    assert "day: 2 papers" in added.out
    assert "1 papers were in this digest before" in added.out
    assert digest_papers(db_path) == {"day": {"p1", "p2"}}
    # The joined digest has no longer the first source alone.
    assert paperfeed("digest", "import", first, *into).code == 2
    assert paperfeed("digest", "import", first, *into, "--add").code == 0
    replaced = paperfeed("digest", "import", first, *into, "--replace")
    assert "leaves out 1 of its papers" in replaced.out
    assert digest_papers(db_path) == {"day": {"p1"}}
    assert paperfeed("digest", "import", first, *into, "--add", "--replace").code == 2


def test_add_without_an_id_joins_the_digest_of_the_day(tmp_path: Path, paperfeed: Run, db_path: Path) -> None:
    """With --add, all sources of a kind and day share one digest."""
    for name, paper in (("first", PAPER), ("second", OTHER)):
        (tmp_path / f"{name}.jsonl").write_bytes(lines(paper))
        assert paperfeed("digest", "import", tmp_path / f"{name}.jsonl", "--date", DAY, "--no-embed", "--add").code == 0
    assert digest_papers(db_path) == {f"papers-{DAY}": {"p1", "p2"}}


def feed(count: int, untitled: int = 0) -> bytes:
    """Return a feed with papers and untitled items."""
    items = [f"<item><title>Paper number {i}</title><link>https://j.example/{i}</link></item>" for i in range(count)]
    items += [f"<item><title/><link>https://j.example/x{i}</link></item>" for i in range(untitled)]
    return f"<rss><channel><title>J</title>{''.join(items)}</channel></rss>".encode()


def test_what_is_left_out_is_named(tmp_path: Path, paperfeed: Run, db_path: Path) -> None:
    """At most ten entries are shown; --json and --report have all; --strict stores nothing."""
    file, report = tmp_path / "feed.xml", tmp_path / "report.txt"
    file.write_bytes(feed(2, untitled=12))
    strict = paperfeed("digest", "import", file, "--date", DAY, "--strict")
    assert (strict.code, row_counts(db_path)["papers"]) == (1, 0)
    assert "12 entries cannot be used, first line 1, entry 3: has no title" in strict.err

    shown = paperfeed("digest", "import", file, "--date", DAY, "--no-embed", "--report", report)
    assert shown.code == 0
    assert ", 12 left out\nleft out:\n  line 1, entry 3: has no title\n" in shown.out
    assert shown.out.count("has no title") == 10
    assert "and 2 more" in shown.out
    assert report.read_text().count("has no title") == 12
    found = json.loads(paperfeed("digest", "import", file, "--date", DAY, "--no-embed", "--json").out)
    assert found["papers"] == 2
    assert found["skipped"][0] == {"line": 1, "key": "entry 3", "reason": "has no title"}
    assert len(found["skipped"]) == 12


@pytest.mark.slow
def test_a_feed_above_the_limit_is_cut_and_says_so(tmp_path: Path, paperfeed: Run) -> None:
    """A digest has at most 10,000 papers."""
    file = tmp_path / "feed.xml"
    file.write_bytes(feed(10_002))
    done = paperfeed("digest", "import", file, "--date", DAY, "--no-embed")
    assert done.code == 0
    assert "only the first 10,000 of 10,002 papers are in it" in done.out


BAD_DIGESTS = {
    "empty": (b"", DAY, 1, "{file}: is empty"),
    "only blank lines": (b"\n \n\n", DAY, 1, "{file}: is empty"),
    "no abstract": (page("Mar 11", TITLE, ABSTRACT, "Last title"), DAY, 1, "{file}, line 7: no abstract follows"),
    "abstract too short": (page("Mar 11", TITLE, "Short."), DAY, 1, "{file}, line 5: the abstract of"),
    "two titles": (page("Mar 11", TITLE, TITLE + " too", ABSTRACT), DAY, 1, "{file}, line 5: "),
    "another day": (page("Mar 12", TITLE, ABSTRACT), DAY, 1, "{file}, line 1: the page is of Mar 12, but"),
    "date is no date": (page("Mar 11", TITLE, ABSTRACT), "tomorrow", 2, "date: must be an ISO date"),
    "date does not exist": (page("Mar 11", TITLE, ABSTRACT), "2024-02-30", 2, "date: must be an ISO date"),
    "far future": (page("Mar 11", TITLE, ABSTRACT), "2999-03-11", 2, "date: 2999-03-11 lies in the future"),
    "long ago": (page("Mar 11", TITLE, ABSTRACT), "1066-03-11", 2, "date: 1066-03-11 is before"),
    "no date": (page("Mar 11", TITLE, ABSTRACT), None, 2, "date: is required"),
    "broken UTF-8": (page("Mar 11", TITLE) + b"\n\nan \xff abstract", DAY, 1, "{file}, line 5: byte 4 of the line"),
    "UTF-16": ("Mar 11".encode("utf-16"), DAY, 1, "{file}, line 1: is UTF-16 text; save it as UTF-8"),
    "NUL": (page("Mar 11", TITLE) + b"\n\nan \x00 abstract", DAY, 1, "{file}, line 5: byte 4 of the line is NUL"),
    "gzip cut short": (gzip.compress(lines(PAPER, OTHER))[:-9], DAY, 1, "{file}: the compressed data is cut short"),
    "not JSON": (lines(PAPER) + b'{"paper_id": \n', DAY, 1, "{file}, line 2: is not JSON"),
    "missing field": (lines(PAPER, {"paper_id": "p2"}), DAY, 1, "{file}, line 2: title: is missing"),
    "mistyped field": (lines(PAPER, OTHER | {"upvotes": "7"}), DAY, 1, "{file}, line 2: upvotes: must be an integer"),
    "mistyped list": (lines(OTHER | {"authors": "Ada"}), DAY, 1, "{file}, line 1: authors: must be an array"),
    "no object": (lines(PAPER) + b"[]\n", DAY, 1, "{file}, line 2: must be an object"),
    "twice in the file": (lines(PAPER, OTHER, PAPER), DAY, 1, "{file}, line 3: paper p1 is already at line 1"),
    "title twice": (page("Mar 11", TITLE, ABSTRACT, TITLE, ABSTRACT), DAY, 1, "{file}, line 7: paper "),
    "daily JSON": (b'[{"paper": {"id": "2401.00001"}}]', DAY, 1, "{file}: has no paper: [0]: paper.title: is missing"),
    "web page": (b"<!DOCTYPE html><p>busy", DAY, 1, "{file}: is a web page, not a feed"),
    "table": (b"| a | b |\n|---|---|\n| [x](https://x.example) | y |\n", DAY, 1, "{file}: is a Markdown table"),
    "prose": (page("It rained.", ABSTRACT), DAY, 1, "{file}, line 1: a title was expected here, but 'It rained.'"),
    "feed": (b"<feed><entry></feed>", DAY, 1, "{file}, line 1: is not well-formed XML"),
}


@pytest.mark.usefixtures("empty_db")
@pytest.mark.parametrize("case", BAD_DIGESTS)
def test_bad_digest(case: str, paperfeed: Run, db_path: Path, tmp_path: Path) -> None:
    """A digest with a mistake is refused: one line names the file and the place, and no row is written."""
    content, day, code, message = BAD_DIGESTS[case]
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.txt"
    good.write_bytes(lines(PAPER))
    bad.write_bytes(content)
    assert paperfeed("digest", "import", good, "--date", DAY).code == 0
    before = row_counts(db_path)
    done = paperfeed("digest", "import", bad, *(["--date", day] if day else []))
    assert done.code == code
    assert done.err.startswith("paperfeed: " + message.format(file=bad)), done.err
    assert len(done.err.splitlines()) == 1
    assert done.out == ""
    assert row_counts(db_path) == before


BAD_EVENTS = {
    "unknown paper": (HEADER + "u,p1,like,\n\nu,nobody,like,\n", "{file}, line 4: paper_id: no paper 'nobody'"),
    "unknown event": (HEADER + "u,p1,like,\nu,p1,adore,\n", "{file}, line 3: event: 'adore' is none of like"),
    "no such time": (HEADER + "u,p1,like,yesterday\n", "{file}, line 2: occurred_at: 'yesterday' is not"),
    "future": (HEADER + "u,p1,like,2999-01-01\n", "{file}, line 2: occurred_at: 2999-01-01 lies in the future"),
    "no user": (HEADER + ",p1,like,\n", "{file}, line 2: user_id: "),
    "too few fields": (HEADER + "u,p1\n", "{file}, line 2: has 2 fields, but the header has 4"),
    "no header": ("u,p1,like,\n", "{file}, line 1: the header lacks user_id"),
    "semicolons": (
        HEADER.replace(",", ";"),
        "{file}, line 1: the header lacks user_id, paper_id, event, occurred_at; ",
    ),
    "capital columns": (HEADER.upper(), "{file}, line 1: the header lacks user_id, paper_id, event, occurred_at; "),
    "capital event": (HEADER + "u,p1,LIKE,\n", "{file}, line 2: event: 'LIKE' must be written in small letters: like"),
    "open quote": (HEADER + 'u,"p1,like,\n', "{file}, line 2: is not CSV"),
    "empty": ("", "{file}: is empty"),
}


@pytest.mark.usefixtures("empty_db")
@pytest.mark.parametrize("case", BAD_EVENTS)
def test_bad_events(case: str, paperfeed: Run, db_path: Path, tmp_path: Path) -> None:
    """An events file with a mistake is refused, including the good lines before it, and the line is named."""
    content, message = BAD_EVENTS[case]
    good, bad = tmp_path / "good.jsonl", tmp_path / "events.csv"
    good.write_bytes(lines(PAPER))
    bad.write_text(content)
    assert paperfeed("papers", "import", good).code == 0
    before = row_counts(db_path)
    done = paperfeed("events", "import", bad)
    assert done.code == 1
    assert done.err.startswith("paperfeed: " + message.format(file=bad)), done.err
    assert len(done.err.splitlines()) == 1
    assert row_counts(db_path) == before


@pytest.mark.usefixtures("empty_db")
@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (HEADER.replace(",", ";"), "It has semicolons between the columns; save the file with commas"),
        (HEADER.replace(",", "\t"), "It has tabs between the columns; save the file with commas"),
        (HEADER.upper(), "Column names must be written in small letters"),
    ],
)
def test_what_is_wrong_with_a_header_is_told(header: str, hint: str, paperfeed: Run, tmp_path: Path) -> None:
    """The error of a header names the separator or the capital letters."""
    events = tmp_path / "events.csv"
    events.write_text(header + "u,p1,like,\n")
    assert hint in paperfeed("events", "import", events).err


def test_events_twice(paperfeed: Run, tmp_path: Path, db_path: Path) -> None:
    """Events are stored once, even if the file is imported twice."""
    good, events = tmp_path / "good.jsonl", tmp_path / "events.csv"
    good.write_bytes(lines(PAPER, OTHER))
    events.write_text(HEADER + "u,p1,like,2024-03-01T10:00:00Z\nu,p2,click,\n")
    assert paperfeed("papers", "import", good).code == 0
    first = paperfeed("events", "import", events, "--json")
    second = paperfeed("events", "import", events, "--json")
    assert json.loads(first.out) == {"events": 2, "recorded": 2, "duplicates": 0}
    assert json.loads(second.out) == {"events": 2, "recorded": 0, "duplicates": 2}
    assert row_counts(db_path)["events"] == 2


@pytest.mark.parametrize(
    ("group", "options"), [("digest", ["--date", DAY]), ("papers", []), ("events", []), ("library", ["--user", "u"])]
)
def test_missing_file(group: str, options: list[str], paperfeed: Run, tmp_path: Path) -> None:
    """Every import command names a missing file in one line."""
    missing = tmp_path / "missing.txt"
    done = paperfeed(group, "import", missing, *options)
    assert done.code == 1
    assert done.err == f"paperfeed: {missing}: there is no such file\n"


@pytest.mark.parametrize("group", ["digest", "papers"])
def test_papers_are_checked_before_the_first_is_stored(
    group: str, paperfeed: Run, tmp_path: Path, db_path: Path
) -> None:
    """A mistake in the last of 1,500 lines keeps the lines before it from being stored, though they form batches."""
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(lines(*({"paper_id": f"n{i}", "title": f"Paper number {i}"} for i in range(1500)), {"title": "x"}))
    assert paperfeed("db", "upgrade").code == 0
    before = row_counts(db_path)
    done = paperfeed(group, "import", bad, *(["--date", DAY] if group == "digest" else []))
    assert done.code == 1
    assert done.err == f"paperfeed: {bad}, line 1501: paper_id: is missing\n"
    assert row_counts(db_path) == before


def test_huge_line(tmp_path: Path) -> None:
    """Every import command refuses a line of 200 MB without reading all of it into memory."""
    huge = tmp_path / "huge.jsonl"
    with huge.open("wb") as file:
        file.write(b'{"paper_id": "')
        file.truncate(200_000_000)
    ended, peak_kilobytes = several_in_process(
        ("digest", "import", huge, "--date", DAY),
        ("papers", "import", huge),
        ("events", "import", huge),
        db=f"sqlite:///{tmp_path / 'huge.db'}",
    )
    for done in ended:
        assert done.code == 1
        assert str(huge) in done.err
        assert "longer than" in done.err or "larger than" in done.err
        assert len(done.err.splitlines()) == 1
    assert peak_kilobytes < 350_000


def test_bad_file_through_a_process(tmp_path: Path, db_path: Path) -> None:
    """The real command exits with 1 and prints the place of the mistake as its only line."""
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(lines(PAPER, {"paper_id": "p2"}))
    done = in_process("papers", "import", bad, db=f"sqlite:///{db_path}")
    assert done.code == 1
    assert done.out == ""
    assert done.err == f"paperfeed: {bad}, line 2: title: is missing\n"
    assert not db_path.exists()


def test_digest_of_tomorrow(paperfeed: Run, tmp_path: Path) -> None:
    """A digest of tomorrow is accepted, as it may be tomorrow elsewhere; one of three days ahead is not."""
    good = tmp_path / "good.jsonl"
    good.write_bytes(lines(PAPER))
    today = dt.datetime.now(dt.UTC).date()
    assert paperfeed("digest", "import", good, "--date", today + dt.timedelta(days=1)).code == 0
    assert paperfeed("digest", "import", good, "--date", today + dt.timedelta(days=3)).code == 2
