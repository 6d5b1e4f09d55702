"""``paperfeed train``: equal data gives equal files; training on a database; data that nothing can be trained on."""

import datetime as dt
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from ranker.bundle.bundle import load_bundle
from service.domain.events import Event, EventType
from service.domain.papers import Paper
from service.encoder import HashingEncoder
from service.storage import open_store, schema
from testing.training import planted
from tests.cli.command import Done, Run, in_process
from tests.cli.models.interchange_files import HEADER, write

MONDAY = dt.datetime(2026, 3, 9, tzinfo=dt.UTC)
FIELDS = ("genome protein cell", "compiler kernel memory", "market price auction")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Papers and likes with dates, of twelve weeks: a catalog of each week is counted and whitened."""
    return write(tmp_path, planted(dated=True, user_count=30, paper_count=150, weeks=12))


def trained(paperfeed: Run, files: tuple[Path, Path], *more: object) -> Done:
    """Train the tiny recipe on the files."""
    return paperfeed("train", "--papers", files[0], "--interactions", files[1], "--recipe", "tiny", *more)


@pytest.mark.slow
def test_same_files_from_other_processes(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Two processes with different hash seeds and numbers of BLAS threads write the same files but for created_at."""
    clicks = [f"u{user:03},dated{paper},click,2017-03-0{1 + paper % 7}\n" for user in range(30) for paper in (3, 9)]
    files[1].write_text(files[1].read_text() + "".join(clicks))
    bundles = []
    for number in (1, 2):
        out = tmp_path / f"bundle{number}"
        command = ("-c", START.format(seed=number), "train", "--papers", files[0], "--interactions", files[1])
        done = in_process(*command[2:], "--recipe", "tiny", "--query-limit", 40, "--out", out, db="", start=command[:2])
        assert (done.code, done.notes) == (0, "")
        bundles.append({file.name: file.read_bytes() for file in out.iterdir()})
    manifests = [json.loads(bundle.pop("manifest.json")) for bundle in bundles]
    for manifest in manifests:
        del manifest["created_at"], manifest["manifest_sha256"]
    assert bundles[0] == bundles[1]
    assert manifests[0] == manifests[1]


# The hash seed is fixed when a process starts.
START = """
import os, sys
wanted = {{"PYTHONHASHSEED": "{seed}", "OPENBLAS_NUM_THREADS": "{seed}"}}
os.execve(sys.executable, [sys.executable, "-m", "cli.main", *sys.argv[1:]], {{**os.environ, **wanted}})
"""


def stored(url: str, *, kinds: tuple[str, ...] = ("like", "save", "click", "dislike"), days: int = 70) -> None:
    """Papers of three fields, three a day; each of 30 users reacts in these ways to papers of one field."""
    schema.upgrade(url)
    papers = [
        Paper(f"p{i:03}", f"{FIELDS[i % 3]} {i}", first_seen_at=MONDAY + dt.timedelta(days=i / 210 * days))
        for i in range(210)
    ]
    vectors = HashingEncoder().encode([paper.title for paper in papers])
    rng = np.random.default_rng(0)
    events = [
        Event(f"{user}-{row}", f"user{user}", papers[row].paper_id, EventType(kinds[place % len(kinds)]), at)
        for user in range(30)
        for place, row in enumerate(rng.choice(np.arange(user % 3, 210, 3), 24, replace=False).tolist())
        if (at := papers[row].first_seen_at + dt.timedelta(hours=1))
    ]
    store = open_store(url)
    with store.write() as tx:
        tx.papers.upsert(papers, MONDAY)
        hashed = {paper.paper_id: (paper.text_hash, vector) for paper, vector in zip(papers, vectors, strict=True)}
        tx.papers.store_vectors(HashingEncoder.name, hashed)
        tx.users.record(events, MONDAY)
    store.dispose()


def from_database(paperfeed: Run, url: str, *more: object) -> Done:
    """Train the tiny recipe on a database."""
    return paperfeed("train", "--db", url, "--recipe", "tiny", *more)


def without_times(path: Path) -> None:
    """Forget when users liked papers, as in an imported library."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE events SET occurred_at = NULL")
    connection.close()


def with_users(path: Path, count: int) -> None:
    """Keep the events of the first users only."""
    names = ", ".join(f"'user{number}'" for number in range(count))
    with sqlite3.connect(path) as connection:
        connection.execute(f"DELETE FROM events WHERE user_id NOT IN ({names})")
    connection.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'service.db'}"


@pytest.mark.slow
def test_database(paperfeed: Run, url: str, files: tuple[Path, Path], tmp_path: Path) -> None:
    """A bundle is trained on the service's rows, alone or together with files, and the rows stay as they are."""
    stored(url)
    before = list(sqlite3.connect(tmp_path / "service.db").iterdump())
    done = from_database(paperfeed, url, "--out", tmp_path / "alone", "--json")
    assert (done.code, done.notes) == (0, "")
    assert set(json.loads(done.out)["metrics"]) == {"database"}
    assert load_bundle(tmp_path / "alone", encoder=HashingEncoder.name).version == json.loads(done.out)["version"]
    mixed = trained(paperfeed, files, "--db", url, "--out", tmp_path / "mixed", "--json")
    assert set(json.loads(mixed.out)["metrics"]) == {"0-papers", "database"}
    assert list(sqlite3.connect(tmp_path / "service.db").iterdump()) == before


@pytest.mark.slow
def test_database_of_libraries(paperfeed: Run, url: str, tmp_path: Path) -> None:
    """A database whose likes have no time, as after importing libraries, can be trained on."""
    stored(url)
    without_times(tmp_path / "service.db")
    assert from_database(paperfeed, url, "--out", tmp_path / "bundle").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("is_dated", [True, False])
def test_database_of_one_user(paperfeed: Run, url: str, tmp_path: Path, is_dated: bool) -> None:
    """One user's likes and random other papers train a bundle, and the limits of that are said."""
    stored(url)
    with_users(tmp_path / "service.db", 1)
    if not is_dated:
        without_times(tmp_path / "service.db")
    done = from_database(paperfeed, url, "--out", tmp_path / "bundle", "--json")

    assert done.code == 0, done
    assert load_bundle(tmp_path / "bundle", encoder=HashingEncoder.name).version == json.loads(done.out)["version"]
    assert "database: one user alone has a history" in done.err
    assert "set PAPERFEED_EXPLORATION=0" in done.err
    assert "database: one user alone has a history" in (tmp_path / "bundle-report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("with_events", [True, False])
def test_export(paperfeed: Run, url: str, tmp_path: Path, with_events: bool) -> None:
    """An export trains as its database does: with events to the same data, and without them on likes and dislikes."""
    stored(url)
    options = ("--events",) if with_events else ()
    assert paperfeed("export", "--db", url, "--out", tmp_path / "export", *options).code == 0
    from_files = paperfeed("train", "--export", tmp_path / "export", "--recipe", "tiny", "--out", tmp_path / "a")
    assert from_files.code == 0, from_files
    assert from_database(paperfeed, url, "--out", tmp_path / "b").code == 0
    models = [(tmp_path / name / "model.txt").read_bytes() for name in ("a", "b")]
    assert (models[0] == models[1]) == with_events


@pytest.mark.parametrize(
    ("shape", "users", "problem"),
    [
        ({"kinds": ("click", "click", "like")}, 1, "the only user has 8 of the 10 likes that training needs"),
        ({"kinds": ("like",)}, 1, "6 of the 20 papers that training needs which this user neither liked nor opened"),
    ],
)
def test_one_user_without_enough(
    paperfeed: Run, url: str, tmp_path: Path, shape: dict[str, object], users: int, problem: str
) -> None:
    """One user with few likes, or a catalog of hardly more than the likes, is refused with what is missing."""
    stored(url, **shape)  # type: ignore[arg-type]
    with_users(tmp_path / "service.db", users)
    without_times(tmp_path / "service.db")
    with sqlite3.connect(tmp_path / "service.db") as connection:
        liked = "SELECT paper_id FROM events"
        connection.execute(
            f"DELETE FROM papers WHERE paper_id NOT IN ({liked}) AND paper_id NOT IN"
            f" (SELECT paper_id FROM papers WHERE paper_id NOT IN ({liked}) ORDER BY paper_id LIMIT 6)"
        )
    connection.close()
    check_refused(from_database(paperfeed, url, "--out", tmp_path / "bundle"), problem, tmp_path / "bundle")


def test_export_of_another_encoder(paperfeed: Run, url: str, tmp_path: Path) -> None:
    """A folder that is no export, and vectors of another encoder, are refused in one line."""
    stored(url)
    assert paperfeed("export", "--db", url, "--out", tmp_path / "export").code == 0
    manifest = tmp_path / "export" / "_manifest.json"
    manifest.write_text(manifest.read_text().replace(HashingEncoder.name, "another"))
    for folder, problem in (("export", "holds vectors of another, not of hashing-384"), ("export/papers", "is not an")):
        done = paperfeed("train", "--export", tmp_path / folder, "--out", tmp_path / "bundle")
        check_refused(done, problem, tmp_path / "bundle")


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ({"kinds": ("click",)}, "database: nobody liked or saved any of the papers: there are no positive labels; 720"),
        ({"kinds": ("dislike",)}, "there are no positive labels"),
        ({"days": 5}, "database: all likes lie in one week"),
    ],
)
def test_database_that_cannot_serve(
    paperfeed: Run, url: str, tmp_path: Path, shape: dict[str, object], problem: str
) -> None:
    """Clicks alone make no profile, and one week has no week before it: the error says which is the problem."""
    stored(url, **shape)  # type: ignore[arg-type]
    check_refused(from_database(paperfeed, url, "--out", tmp_path / "bundle"), problem, tmp_path / "bundle")


def check_refused(done: Done, problem: str, out: Path, code: int = 1) -> None:
    """Check that one line names the problem and nothing was written."""
    assert (done.code, done.out) == (code, ""), done
    assert problem in done.notes
    assert len(done.notes.splitlines()) == 1
    assert not out.exists()
    assert not list(out.parent.glob(".bundle*"))


def events(*rows: str) -> str:
    """Return a file of events."""
    return HEADER + "".join(f"{row}\n" for row in rows)


FIRST_LIKES = [f"u{user},dated{user},like,2017-03-0{1 + user}" for user in range(5)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "events.csv: is empty"),
        (HEADER, "events.csv, line 1: no event follows the header"),
        ("user_id,paper_id\nu,a\n", "events.csv, line 1: the header lacks event, occurred_at"),
        (events("u,dated1,like"), "events.csv, line 2: has 3 fields, but the header has 4"),
        (events("u,dated1,adore,2017-03-01"), "events.csv, line 2: event: 'adore' is none of like, unlike"),
        (events("u,dated1,like,yesterday"), "events.csv, line 2: occurred_at: 'yesterday' is not an ISO 8601"),
        (events("u,who,like,", "v,knows,like,"), "events.csv, line 2: none of the 2 events names one of the papers"),
        (events("u,dated1,dislike,", "v,dated2,dismiss,"), "0-papers: nobody liked or saved any of the papers"),
        (events("u,dated1,click,", "v,dated2,click,"), "there are no positive labels; 2 clicks alone make no profile"),
        (
            events("u,dated1,like,", "u,dated2,like,"),
            "0-papers: the only user has 2 of the 10 likes that training needs",
        ),
        (events(*(row.replace("2017", "1999") for row in FIRST_LIKES)), "the times are out of order"),
        (events(*(f"u{i},dated{i},like,2021-03-0{1 + i}" for i in range(5))), "all likes lie in one week"),
        (events(*(f"u{i},dated{i},like,20{20 + i}-01-01" for i in range(5))), "they have no history"),
        (events(*(f"u{i},dated{i},like," for i in range(5))), "two or more users must like two or more papers each"),
    ],
)
def test_events_that_cannot_serve(
    paperfeed: Run, files: tuple[Path, Path], tmp_path: Path, text: str, problem: str
) -> None:
    """One line names the file and the line at fault, or the data set and what it lacks."""
    files[1].write_text(text)
    check_refused(trained(paperfeed, files, "--out", tmp_path / "bundle"), problem, tmp_path / "bundle")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "papers.jsonl: is empty"),
        ("\n\n", "papers.jsonl: is empty"),
        ('{"paper_id": "dated1"}\n', "papers.jsonl, line 1: title"),
        ('{"paper_id": "a", "title": "A", "published_at": "soon"}\n', "papers.jsonl, line 1: published_at"),
    ],
)
def test_papers_that_cannot_serve(
    paperfeed: Run, files: tuple[Path, Path], tmp_path: Path, text: str, problem: str
) -> None:
    """One line names the papers' file, and the line if one is at fault."""
    files[0].write_text(text)
    check_refused(trained(paperfeed, files, "--out", tmp_path / "bundle"), problem, tmp_path / "bundle")


def test_files_swapped(paperfeed: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    """Papers given as interactions, and the reverse, are recognised by the first line."""
    done = trained(paperfeed, (files[1], files[0]), "--out", tmp_path / "bundle")
    check_refused(done, "events.csv, line 1: is not JSON", tmp_path / "bundle")
    done = trained(paperfeed, (files[0], files[0]), "--out", tmp_path / "bundle")
    check_refused(done, "papers.jsonl, line 1: the header lacks user_id", tmp_path / "bundle")


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (("--recipe", "grand"), 1, "no recipe is called 'grand'; there are co-likes, default, tiny"),
        (("--interactions", "twice.csv"), 2, "interactions: is given 2 times, but --papers 1 times"),
        (("--papers", "nowhere.jsonl", "--interactions", "nowhere.csv"), 1, "nowhere.jsonl: there is no such file"),
        (("--until", "soon"), 2, "until: 'soon' is not a date"),
        (("--until", "1999-01-01"), 1, "0-papers: no event before 1999-01-01; the data begin on 2017-01-0"),
        (("--db", "mysql://somewhere"), 2, "db: must start with sqlite:/// or postgresql://"),
        (("--db", "sqlite:///nowhere.db"), 1, "there is no such database file: nowhere.db"),
    ],
)
def test_wrong_options(
    paperfeed: Run, files: tuple[Path, Path], tmp_path: Path, options: tuple[str, ...], code: int, problem: str
) -> None:
    """A wrong option is reported before any work is done."""
    done = trained(paperfeed, files, *options, "--out", tmp_path / "bundle")
    check_refused(done, problem, tmp_path / "bundle", code)


def test_out_exists(paperfeed: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    """An existing file at --out is kept."""
    (tmp_path / "bundle").write_text("mine")
    done = trained(paperfeed, files, "--out", tmp_path / "bundle")
    assert (done.code, "bundle already exists" in done.err) == (2, True)
    assert (tmp_path / "bundle").read_text() == "mine"
    below = trained(paperfeed, files, "--out", tmp_path / "bundle" / "below")
    assert (below.code, "cannot write to" in below.err) == (2, True)


@pytest.mark.parametrize("options", [("--report", "."), ("--report", "papers.jsonl/page.html"), ()])
def test_report_that_cannot_be_written(
    paperfeed: Run, files: tuple[Path, Path], tmp_path: Path, options: tuple[str, ...]
) -> None:
    """A report that cannot be written, at its default place or at --report, is refused before any work is done."""
    (tmp_path / "bundle-report.html").mkdir()
    done = trained(paperfeed, files, *options, "--out", tmp_path / "bundle")
    check_refused(done, "paperfeed: report: ", tmp_path / "bundle", 2)


@pytest.mark.slow
def test_unknown_papers_are_counted(paperfeed: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    """Events on unknown papers are ignored, with a warning that counts them."""
    with files[1].open("a") as stream:
        stream.write("u000,nobody-knows,like,2017-02-01\n")
    done = trained(paperfeed, files, "--out", tmp_path / "bundle")
    assert done.code == 0
    assert done.notes == f"paperfeed: warning: {files[1]}: 1 of 451 events are on unknown papers\n"


def test_too_few_rows_for_a_tree(paperfeed: Run, tmp_path: Path) -> None:
    """Two users with hardly any history are refused as too few to learn from."""
    files = write(tmp_path, planted(dated=True))
    rows = [f"u{i % 2},dated{i},like," for i in range(6)]
    files[1].write_text(events(*rows))
    problem = "candidates are too few to learn from"
    check_refused(trained(paperfeed, files, "--out", tmp_path / "bundle"), problem, tmp_path / "bundle")


@pytest.mark.cluster
@pytest.mark.slow
def test_on_a_cluster(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Workers of this machine write a bundle and a page; stdout has the result and nothing else."""
    out = tmp_path / "bundle"
    options = ("--recipe", "tiny", "--query-limit", 40, "--scheduler", "local", "--workers", 2, "--out", out, "--json")
    done = in_process("train", "--papers", files[0], "--interactions", files[1], *options, db="", encoder="hashing")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert load_bundle(out, encoder=HashingEncoder.name).version == result["version"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["params"]["worker_count"] == 2
    assert manifest["params"]["recipe"]["dated_query_limit"] == 40
    assert (tmp_path / "bundle-report.html").exists()
    (line,) = done.notes.splitlines()
    assert line.startswith("paperfeed: dashboard: http://127.0.0.1:")


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (("--workers", "2"), 2, "workers: needs --scheduler"),
        (("--scheduler", "tcp://here:8786", "--workers", "2"), 2, "workers: cannot be set for the scheduler at"),
        (("--scheduler", "somewhere"), 2, "scheduler: 'somewhere' is neither 'local' nor an address"),
        (
            ("--scheduler", "local", "--feedback", "--db", "sqlite:///x.db"),
            2,
            "scheduler: cannot be given together with",
        ),
        (
            ("--query-limit", "9", "--feedback", "--db", "sqlite:///x.db"),
            2,
            "query-limit: cannot be given together with",
        ),
    ],
)
def test_no_cluster(paperfeed: Run, tmp_path: Path, options: tuple[str, ...], code: int, problem: str) -> None:
    """Contradicting options of a cluster are refused before anything is read."""
    done = paperfeed("train", *options, "--out", tmp_path / "bundle")
    check_refused(done, problem, tmp_path / "bundle", code)


@pytest.mark.usefixtures("impatient")
def test_nobody_at_the_address(paperfeed: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    """A scheduler that does not answer gives one line, and nothing is left behind."""
    done = trained(paperfeed, files, "--scheduler", "tcp://127.0.0.1:9", "--out", tmp_path / "bundle")
    check_refused(done, "no Dask cluster at tcp://127.0.0.1:9: the scheduler does not answer", tmp_path / "bundle")
