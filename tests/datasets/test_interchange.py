import gzip
from pathlib import Path

import numpy as np
import pytest

from datasets.interchange import read_dataset, read_papers, read_reactions
from training.errors import SnapshotError, TrainingError

VECTORS = {"a": np.ones(3, np.float32), "b": np.zeros(3, np.float32)}
PAPERS = """{"paper_id": "a", "title": "A", "abstract": "x", "published_at": "1970-01-02", "upvotes": 0}

{"paper_id": "c", "title": "C"}
"""
HEADER = "user_id,paper_id,event,occurred_at\n"


def papers_file(folder: Path, text: str = PAPERS) -> Path:
    """A file of papers."""
    (folder / "papers.jsonl").write_text(text)
    return folder / "papers.jsonl"


def test_papers(tmp_path: Path) -> None:
    """Known fields are read, unknown ones are NaN, and papers without a vector are pending."""
    papers = read_papers(papers_file(tmp_path), VECTORS)
    assert papers.paper_ids == ("a", "c")
    assert papers.texts == ("A\nx", "C")
    assert papers.published_at[0] == 86_400
    assert np.isnan(papers.published_at[1])
    assert papers.upvotes[0] == 0
    assert np.isnan(papers.upvotes[1])
    assert np.isnan(papers.embeddings[1]).all()


def test_gzip_and_events(tmp_path: Path) -> None:
    """Reactions are what the events leave: repeats count once, likes taken back and unknown papers not at all."""
    rows = [
        "u,a,like,1970-01-01T00:00:05Z",
        "u,a,like,1970-01-01T00:00:09Z",
        "u,c,like,",
        "v,a,unlike,1970-01-01T00:00:07Z",
        "v,a,save,1970-01-01T00:00:03+00:00",
        "v,zzz,like,",
        "w,c,click,",
    ]
    events = tmp_path / "events.csv.gz"
    events.write_bytes(gzip.compress((HEADER + "\n".join(rows)).encode()))
    data = read_dataset("d", papers_file(tmp_path), events, VECTORS)
    assert data.likes.users.tolist() == [0, 0]
    assert min(zip(data.likes.papers.tolist(), data.likes.liked_at.tolist(), strict=True)) == (0, 5.0)
    assert (data.clicks.users.tolist(), data.clicks.papers.tolist()) == ([2], [1])
    assert not data.dated


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 4: is not JSON"),
        ("3", "line 4: is not a JSON object"),
        ('{"paper_id": "d"}', "line 4: title is missing"),
        ('{"paper_id": "a", "title": "A"}', "line 4: paper_id 'a' stands twice"),
        ('{"paper_id": "d", "title": "D", "published_at": "soon"}', "line 4: published_at 'soon' is not"),
    ],
)
def test_bad_papers(tmp_path: Path, line: str, problem: str) -> None:
    """An error names the file, the line and what is wrong."""
    with pytest.raises(SnapshotError, match=rf"papers\.jsonl, {problem}"):
        read_papers(papers_file(tmp_path, PAPERS + line), VECTORS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("user_id,paper_id\n", "line 1: the header lacks event, occurred_at"),
        (HEADER + "u,a\n", "line 2: has too few columns"),
        (HEADER + "u,a,adore,\n", "line 2: event 'adore' is none of"),
        (HEADER + "u,a,like,yesterday\n", "line 2: occurred_at 'yesterday'"),
    ],
)
def test_bad_events(tmp_path: Path, text: str, problem: str) -> None:
    """An error names the file, the line and what is wrong."""
    (tmp_path / "events.csv").write_text(text)
    with pytest.raises(SnapshotError, match=problem):
        read_reactions(tmp_path / "events.csv", read_papers(papers_file(tmp_path), VECTORS))


def test_no_vectors(tmp_path: Path) -> None:
    """Without any vector there is nothing to train on."""
    with pytest.raises(TrainingError, match="no vectors"):
        read_papers(papers_file(tmp_path), {})
