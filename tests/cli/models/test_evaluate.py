"""``paperfeed evaluate``: its output, and its messages about unusable data and options."""

import datetime as dt
import json
from pathlib import Path

import pytest

from service.domain.events import Event, EventType
from service.domain.papers import Paper
from service.encoder import HashingEncoder
from service.storage import open_store, schema
from testing.training import planted
from tests.cli.command import Done, Run
from tests.cli.models.interchange_files import HEADER, write

FEW_WEEKS = planted(dated=True, user_count=30, paper_count=150, weeks=12)


@pytest.fixture
def dated(tmp_path: Path) -> tuple[Path, Path]:
    """Papers and likes with dates."""
    return write(tmp_path, planted(dated=True))


@pytest.fixture
def few_weeks(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve weeks of papers and likes: a training and an evaluation count and whiten a catalog of each week."""
    return write(tmp_path, FEW_WEEKS)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A service's database with the same papers and likes."""
    url, dataset = f"sqlite:///{tmp_path / 'service.db'}", FEW_WEEKS
    schema.upgrade(url)
    papers, likes = dataset.papers, dataset.likes
    times = [dt.datetime.fromtimestamp(at, dt.UTC) for at in papers.published_at.tolist()]
    stored = [Paper(*names, published_at=at) for *names, at in zip(papers.paper_ids, papers.titles, times, strict=True)]
    vectors = HashingEncoder().encode(papers.titles)
    store = open_store(url)
    with store.write() as tx:
        tx.papers.upsert(stored, dt.datetime.now(dt.UTC))
        kept = {paper.paper_id: (paper.text_hash, vector) for paper, vector in zip(stored, vectors, strict=True)}
        tx.papers.store_vectors(HashingEncoder.name, kept)
        pairs = zip(likes.users.tolist(), likes.papers.tolist(), strict=True)
        tx.users.record(
            [
                Event(f"{user}-{row}", f"u{user:03}", stored[row].paper_id, EventType.LIKE, times[row])
                for user, row in pairs
            ],
            dt.datetime.now(dt.UTC),
        )
    store.dispose()
    return url


def weekly(paperfeed: Run, files: tuple[Path, Path], *more: object) -> Done:
    """Run weekly-digest on a few weeks, with a bundle trained on the time before them."""
    span = ("--from", "2017-03-01", "--to", "2017-03-20", "--retrain", "--recipe", "tiny", "--seeds", "1")
    options = ("--papers", files[0], "--interactions", files[1], "--protocol", "weekly-digest", *span)
    return paperfeed("evaluate", *options, *more)


def cold(paperfeed: Run, files: tuple[Path, Path], *more: object) -> Done:
    """Run cold-items with one seed."""
    options = ("--papers", files[0], "--interactions", files[1], "--protocol", "cold-items", "--recipe", "tiny")
    return paperfeed("evaluate", *options, "--seeds", "1", *more)


@pytest.mark.slow
def test_weekly_json_and_report(paperfeed: Run, few_weeks: tuple[Path, Path], tmp_path: Path) -> None:
    """It prints one line of JSON on stdout, and writes a page to --report."""
    done = weekly(paperfeed, few_weeks, "--mask-family", "text", "--report", tmp_path / "out" / "report.html", "--json")
    assert (done.code, done.notes) == (0, "")
    result = json.loads(done.out)
    assert {"protocol", "queries", "skipped", "systems", "paired", "slices", "beyond_accuracy", "settings"} == set(
        result
    )
    assert set(result["systems"]["paperfeed"]["ndcg@10"]) == {"mean", "low", "high"}
    assert "paperfeed-without-text" in result["paired"]
    assert result["settings"]["from"] == "2017-03-01"
    assert result["settings"]["data"]["events_on_unknown_papers"] == 0
    assert "paperfeed-without-text" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("report", "problem"),
    [(".", ". is a folder, not a file"), ("events.csv/page.html", "it is not a folder")],
)
def test_report_that_cannot_be_written(paperfeed: Run, dated: tuple[Path, Path], report: str, problem: str) -> None:
    """A report that cannot be written is refused before the data is read."""
    dated[1].write_text("")
    done = weekly(paperfeed, dated, "--report", report)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("paperfeed: report: ")
    assert problem in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.slow
def test_cold_table(paperfeed: Run, tmp_path: Path) -> None:
    """Without --json it prints tables, and says which baselines were left out and why."""
    done = cold(paperfeed, write(tmp_path, planted(dated=False)), "--max-users", "20")
    assert done.code == 0
    for part in ("cold-items", "paperfeed minus baseline", "tfidf-svm", "logistic-regression", "overlap", "left out"):
        assert part in done.out


@pytest.mark.slow
def test_given_bundle(paperfeed: Run, few_weeks: tuple[Path, Path], tmp_path: Path) -> None:
    """A given bundle is judged as it is, with a warning if it may know the answers; training left a page beside it."""
    made = ("--papers", few_weeks[0], "--interactions", few_weeks[1], "--recipe", "tiny", "--out", tmp_path / "bundle")
    trained = json.loads(paperfeed("train", *made, "--json").out)
    assert trained["report"] == str(tmp_path / "bundle-report.html")
    assert f"Training of {trained['version']}" in (tmp_path / "bundle-report.html").read_text()
    span = ("--from", "2017-03-13", "--to", "2017-03-19")
    files = ("--papers", few_weeks[0], "--interactions", few_weeks[1], "--protocol", "weekly-digest", *span)
    done = paperfeed("evaluate", *files, "--bundle", tmp_path / "bundle", "--json")
    assert done.code == 0
    assert json.loads(done.out)["settings"]["bundle"] == [trained["version"]]
    assert "paperfeed: warning: the bundle may know" in done.err


def test_shipped_bundle_needs_its_encoder(paperfeed: Run, dated: tuple[Path, Path]) -> None:
    """The shipped bundle is refused with another encoder."""
    done = paperfeed("evaluate", "--papers", dated[0], "--interactions", dated[1], "--protocol", "weekly-digest")
    assert done.code == 1
    assert "manifest.json" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--seeds", "1,x"), "seeds: '1,x' is not a list of whole numbers"),
        (("--seeds", "-1"), "seeds: '-1' is not"),
        (("--seeds", "3,3"), "names a seed twice"),
        (("--from", "2018-02-30"), "from: '2018-02-30' is not a date"),
        (("--from", "2018-03-01", "--to", "2018-02-01"), "from: 2018-03-01 is after --to 2018-02-01"),
        (("--mask-family", "magic"), "mask-family: 'magic' is not one of embedding"),
        (("--train-without", "magic"), "train-without: 'magic' is not one of embedding"),
        (("--train-without", "text", "--protocol", "weekly-digest"), "train-without: applies to training"),
        (("--bundle", "somewhere", "--retrain"), "cannot be given together with --bundle"),
        (("--protocol", "hot-items"), "protocol: 'hot-items' is not one of cold-items, weekly-digest"),
        (("--max-users", "1"), "max-users"),
        (("--db", "sqlite:///x.db"), "papers: give one source: --papers with --interactions, --db, or --export"),
        (("--retrain", "--protocol", "weekly-digest"), "from: is needed with --retrain"),
        (("--papers", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_wrong_usage(paperfeed: Run, dated: tuple[Path, Path], options: tuple[str, ...], problem: str) -> None:
    """A wrong option is named, as wrong usage, before any work is done."""
    files = ("--papers", dated[0], "--interactions", dated[1], "--protocol", "cold-items")
    done = paperfeed("evaluate", *files, *options)
    assert done.code == 2
    assert problem in done.err
    assert done.out == ""


LIKE = "u{user},dated{paper},like,{when}\n"


def events(*triples: tuple[int, int, str]) -> str:
    """Return a file of likes."""
    return HEADER + "".join(LIKE.format(user=r, paper=p, when=when) for r, p, when in triples)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEADER, "no event follows the header"),
        (HEADER + "u,nobody-knows,like,\n", "none of the 1 events names one of the papers"),
        (HEADER + "u,dated1,dislike,\n", "there are no positive labels"),
        (events((0, 1, "2018-02-01"), (0, 2, "2018-02-01")), "only one user"),
        (events((0, 1, ""), (1, 2, "")), "likes have no time: weekly-digest needs dates"),
        (events((0, 1, "1999-01-01"), (1, 2, "1999-01-01")), "the times are out of order"),
        (events((0, 1, "2018-02-01"), (1, 2, "2018-02-01")), "no user with 5 or more earlier likes"),
        (events((0, 1, "soon")), "line 2: occurred_at: 'soon' is not"),
    ],
)
def test_data_that_cannot_serve(paperfeed: Run, dated: tuple[Path, Path], text: str, problem: str) -> None:
    """One line on stderr says what the data lacks."""
    dated[1].write_text(text)
    done = weekly(paperfeed, dated)
    assert done.code == 1
    assert problem in done.err
    assert len(done.err.splitlines()) == 1
    assert done.out == ""


def test_undated_papers(paperfeed: Run, tmp_path: Path) -> None:
    """weekly-digest refuses undated papers and names the other protocol, which refuses histories that are too short."""
    files = write(tmp_path, planted(dated=False))
    assert "weekly-digest needs dates, cold-items does not" in weekly(paperfeed, files).err
    files[1].write_text(HEADER + "a,undated1,like,\nb,undated2,like,\n")
    done = cold(paperfeed, files)
    assert (done.code, "5 or more likes of warm papers" in done.err) == (1, True)


def test_unknown_recipe(paperfeed: Run, dated: tuple[Path, Path]) -> None:
    """An unknown recipe is an error."""
    done = weekly(paperfeed, dated, "--recipe", "grand")
    assert done.code == 1
    assert "no recipe is called 'grand'" in done.err


def test_no_query_in_the_range(paperfeed: Run, dated: tuple[Path, Path]) -> None:
    """A range without a query is an error that names the range."""
    done = weekly(paperfeed, dated, "--from", "2031-01-01", "--to", "2031-02-01")
    assert done.code == 1
    assert "2031-01-01 to 2031-02-01: no query in the range" in done.err


@pytest.mark.slow
def test_unknown_papers_are_counted(paperfeed: Run, few_weeks: tuple[Path, Path]) -> None:
    """Events on unknown papers are ignored and counted."""
    with few_weeks[1].open("a") as stream:
        stream.write("u000,nobody-knows,like,2017-02-01\n")
    done = weekly(paperfeed, few_weeks, "--max-users", 5, "--json")
    assert done.code == 0
    assert json.loads(done.out)["settings"]["data"]["events_on_unknown_papers"] == 1
    assert "paperfeed: warning: 1 of 451 events are on unknown papers" in done.err


@pytest.mark.slow
def test_database_and_export(paperfeed: Run, few_weeks: tuple[Path, Path], url: str, tmp_path: Path) -> None:
    """A database, its export and equal files give the same figures, by default on all weeks of the data."""
    made = ("--papers", few_weeks[0], "--interactions", few_weeks[1], "--recipe", "tiny", "--out", tmp_path / "bundle")
    assert paperfeed("train", *made, "--until", "2017-03-06").code == 0
    assert paperfeed("export", "--db", url, "--out", tmp_path / "export").code == 0
    results = []
    for source in (
        ("--papers", few_weeks[0], "--interactions", few_weeks[1]),
        ("--db", url),
        ("--export", tmp_path / "export"),
    ):
        options = ("--protocol", "weekly-digest", "--bundle", tmp_path / "bundle", "--max-users", 4, "--json")
        done = paperfeed("evaluate", *source, *options)
        assert done.code == 0, done
        results.append(json.loads(done.out))
    assert [result["settings"]["from"] for result in results] == ["2017-01-02"] * 3
    assert [result["settings"]["to"] for result in results] == ["2017-03-20"] * 3
    assert results[0]["systems"] == results[1]["systems"] == results[2]["systems"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "papers: give one source"),
        (("--papers", "papers.jsonl"), "interactions: is needed with --papers"),
        (("--interactions", "events.csv"), "papers: is needed with --interactions"),
    ],
)
def test_no_source(paperfeed: Run, dated: tuple[Path, Path], options: tuple[str, ...], problem: str) -> None:
    """Without a whole source of data, the missing option is named."""
    done = paperfeed("evaluate", "--protocol", "cold-items", *options)
    assert (done.code, problem in done.err) == (2, True), done


def test_retraining_before_all_data(paperfeed: Run, dated: tuple[Path, Path]) -> None:
    """If nothing is dated before --from, the error names the day on which the data begin."""
    done = weekly(paperfeed, dated, "--from", "2016-01-01")
    assert done.code == 1
    assert "no event before 2016-01-01; the data begin on 2017-01-0" in done.err
