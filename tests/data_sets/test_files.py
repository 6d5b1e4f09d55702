import gzip
from pathlib import Path

import numpy as np
import pytest

from data_sets.files import embed, needed, public_files, read_files
from service.domain.errors import InvalidFile
from service.encoder import HashingEncoder
from training.errors import TrainingError

PAPERS = """{"paper_id": "a", "title": "A", "abstract": "x", "published_at": "1970-01-02", "upvotes": 0}

{"paper_id": "c", "title": "C", "first_seen_at": "1970-01-03T00:00:00Z"}
"""
HEADER = "user_id,paper_id,event,occurred_at\n"
LIKE = HEADER + "u,a,like,1970-01-02T00:00:05Z\n"


def files(folder: Path, papers: str = PAPERS, events: str = LIKE) -> tuple[Path, Path]:
    """Write a file of papers and a file of events."""
    (folder / "papers.jsonl").write_text(papers)
    (folder / "events.csv").write_text(events)
    return folder / "papers.jsonl", folder / "events.csv"


def test_papers(tmp_path: Path) -> None:
    """Known fields are read, first_seen_at included, and missing ones are NaN."""
    papers = read_files("d", *files(tmp_path)).dataset(np.ones((2, 3), np.float32)).papers
    assert papers.paper_ids == ("a", "c")
    assert papers.texts == ("A\nx", "C")
    assert np.array_equal(papers.published_at, [86_400, np.nan], equal_nan=True)
    assert np.array_equal(papers.first_seen_at, [np.nan, 2 * 86_400], equal_nan=True)
    assert np.array_equal(papers.upvotes, [0, np.nan], equal_nan=True)
    assert papers.embeddings.tolist() == [[1, 1, 1]] * 2


def test_gzip_and_events(tmp_path: Path) -> None:
    """Repeated likes count once, likes taken back do not count, and events on unknown papers are only counted."""
    rows = [
        "u,a,like,1970-01-01T00:00:05Z",
        "u,a,like,1970-01-01T00:00:09Z",
        "u,c,like,",
        "v,a,unlike,1970-01-01T00:00:07Z",
        "v,a,save,1970-01-01T00:00:03+00:00",
        "v,zzz,like,",
        "w,c,click,",
    ]
    papers, events = files(tmp_path)
    for file, text in ((papers, PAPERS), (events, HEADER + "\n".join(rows))):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(text.encode()))

    read = read_files("d", *(file.with_name(f"{file.name}.gz") for file in (papers, events)))
    data = read.dataset(np.ones((2, 3), np.float32))

    assert (read.event_count, read.unknown_count) == (7, 1)
    assert data.likes.users.tolist() == [0, 0]
    assert min(zip(data.likes.papers.tolist(), data.likes.liked_at.tolist(), strict=True)) == (0, 5.0)
    assert (data.clicks.users.tolist(), data.clicks.papers.tolist()) == ([2], [1])
    assert not data.dated


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 4: is not JSON"),
        ("3", "line 4: must be an object"),
        ('{"paper_id": "d"}', "line 4: title: is missing"),
        ('{"paper_id": "a", "title": "A"}', "line 4: paper a is already at line 1"),
        ('{"paper_id": "d", "title": "D", "published_at": "soon"}', "line 4: published_at: 'soon' is not"),
        ('{"paper_id": "d", "title": "D", "upvotes": 1.5}', "line 4: upvotes: must be an integer"),
    ],
)
def test_bad_papers(tmp_path: Path, line: str, problem: str) -> None:
    """An error names the file, the line and the problem."""
    with pytest.raises(InvalidFile, match=rf"papers\.jsonl, {problem}"):
        read_files("d", *files(tmp_path, PAPERS + line))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("user_id,paper_id\n", "line 1: the header lacks event, occurred_at"),
        (HEADER, "line 1: no event follows the header"),
        (HEADER + "u,zzz,like,\n", "line 2: none of the 1 events names one of the papers"),
        (HEADER + "u,a\n", "line 2: has 2 fields, but the header has 4"),
        (HEADER + ",a,like,\n", "line 2: user_id: must not be empty"),
        (HEADER + "u,a,adore,\n", "line 2: event: 'adore' is none of"),
        (HEADER + "u,a,like,yesterday\n", "line 2: occurred_at: 'yesterday'"),
        (HEADER + "u,a,like,9000-01-01\n", "line 2: occurred_at: 9000-01-01 lies in the future"),
    ],
)
def test_bad_events(tmp_path: Path, text: str, problem: str) -> None:
    """An error names the file, the line and the problem."""
    with pytest.raises(InvalidFile, match=rf"events\.csv, {problem}"):
        read_files("d", *files(tmp_path, events=text))


@pytest.mark.parametrize("with_titles", [True, False])
def test_vectors(tmp_path: Path, with_titles: bool) -> None:
    """Papers get the vectors of their texts, and of their titles where these are wanted; progress is reported."""
    encoder, heard = HashingEncoder(), []

    data = embed(
        read_files("d", *files(tmp_path)),
        encoder,
        with_titles=with_titles,
        progress=lambda *step: heard.append(step),
    )

    assert np.array_equal(data.papers.embeddings, encoder.encode(["A\nx", "C"]))
    assert (data.title_embeddings is not None) == with_titles
    if data.title_embeddings is not None:
        assert np.array_equal(data.title_embeddings, encoder.encode(["A", "C"]))
    assert ("embedding d", 2, 2) in heard


def test_titles_are_embedded_once(tmp_path: Path) -> None:
    """Without abstracts the vectors of the titles are not computed again."""
    papers = '{"paper_id": "a", "title": "A"}\n'
    assert embed(read_files("d", *files(tmp_path, papers)), HashingEncoder(), with_titles=True).title_embeddings is None


@pytest.mark.parametrize(("liked_at", "is_imported"), [("1970-01-01", True), ("1970-01-09", False)])
def test_imported_history(tmp_path: Path, liked_at: str, is_imported: bool) -> None:
    """Papers that were first seen after their likes count from their publication, with a warning."""
    papers = '{"paper_id": "a", "title": "A", "published_at": "1970-01-01", "first_seen_at": "1970-01-08"}\n'
    read = read_files("d", *files(tmp_path, papers, HEADER + f"u,a,like,{liked_at}\n"))
    warnings: list[str] = []

    data = embed(read, HashingEncoder(), with_titles=False, warn=warnings.append)

    assert data.appeared_at.tolist() == [0 if is_imported else 7 * 86_400]
    assert [text.startswith("d: most likes are dated before") for text in warnings] == [True] * is_imported


def test_public_files(tmp_path: Path) -> None:
    """The files of a public data set lie in the folder of its name."""
    assert public_files(tmp_path, "d") == (tmp_path / "d" / "papers.jsonl.gz", tmp_path / "d" / "interactions.csv.gz")


def test_a_sample_is_all_that_is_embedded(tmp_path: Path) -> None:
    """Of many papers only a sample is embedded, of papers before the limit, with their likes, and this is said."""
    papers = "".join(
        f'{{"paper_id": "p{i}", "title": "T {i}", "published_at": "{1970 + i}-01-01"}}\n' for i in range(50)
    )
    events = HEADER + "".join(f"u{i % 3},p{i},like,{1970 + i}-01-02\n" for i in range(0, 50, 2))
    data, warnings = read_files("d", *files(tmp_path, papers, events)), list[str]()
    options = {"until": 20 * 366 * 86_400.0, "seed": 1, "warn": warnings.append}

    part = needed(data, paper_limit=10, **options)  # type: ignore[arg-type]
    dataset = embed(part, HashingEncoder(), with_titles=True)

    assert len(part.papers) == 10
    assert all(int(paper.paper_id[1:]) < 21 for paper in part.papers)
    assert {part.papers[row].paper_id for row in dataset.likes.papers} <= {f"p{i}" for i in range(0, 50, 2)}
    assert len(dataset.likes) >= 5
    assert warnings == ["d: this recipe uses a sample of 10 of 21 papers"]
    assert needed(data, paper_limit=None, **options) is data  # type: ignore[arg-type]


def test_a_limit_before_all_data(tmp_path: Path) -> None:
    """A limit before all events is refused before anything is embedded, with the day on which the data begin."""
    data = read_files("d", *files(tmp_path))
    with pytest.raises(TrainingError, match="d: no event before 1970-01-01; the data begin on 1970-01-02"):
        needed(data, until=0.0, paper_limit=None, seed=0)
