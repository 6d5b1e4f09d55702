"""Data sets from files in the interchange formats: papers as JSON Lines, events as CSV, each of them plain or gzip."""

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ranker.types import Float32Array, IndexArray
from service.app.ranking.placing import columns_of, seconds_of
from service.domain.errors import InvalidFile
from service.domain.papers import Paper, embedding_text
from service.encoder import OpenedEncoder
from service.ingest.events_csv import iter_events
from service.ingest.jsonl import iter_papers
from training.data.reactions import Event, Reactions, reactions_of
from training.data.sampling import sample_papers
from training.data.snapshot import Dataset, check_limit
from training.progress import Progress, Warn, silent, unheard

PUBLIC_DATA = ("citeulike-a", "arxiv-2016-2018", "arxiv-2025")
"""The data sets of the default bundle, in the order of its training: another order gives another bundle."""
_TEXTS_AT_A_TIME = 512


@dataclass(frozen=True)
class FileData:
    """The checked content of two files. Its papers have no vectors yet.

    Attributes:
        papers: In the order of the file.
        reactions: Reactions by rows of ``papers``; events on other papers are passed over.
        event_count: All events of the file.
        unknown_count: Events on papers that are not in ``papers``.
    """

    name: str
    papers: tuple[Paper, ...]
    reactions: Reactions
    event_count: int
    unknown_count: int

    def part(self, rows: IndexArray) -> "FileData":
        """Return the data of some papers; users keep their numbers."""
        place = np.full(len(self.papers), -1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        moved = {name: getattr(self.reactions, name).placed(place) for name in ("likes", "clicks", "dislikes")}
        papers = tuple(self.papers[row] for row in rows.tolist())
        return replace(self, papers=papers, reactions=replace(self.reactions, **moved))

    def dataset(self, vectors: Float32Array) -> Dataset:
        """Return the data set with a vector for each paper.

        Args:
            vectors: (papers, d) float32.
        """
        by_id = dict(zip((paper.paper_id for paper in self.papers), vectors, strict=True))
        return Dataset(
            name=self.name,
            papers=columns_of(self.papers, by_id, vectors.shape[1]),
            likes=self.reactions.likes,
            clicks=self.reactions.clicks,
            dislikes=self.reactions.dislikes,
        )


def public_files(folder: Path, name: str) -> tuple[Path, Path]:
    """Return the files of papers and of events of a public data set below ``folder``."""
    return folder / name / "papers.jsonl.gz", folder / name / "interactions.csv.gz"


def read_files(name: str, papers_file: Path, events_file: Path) -> FileData:
    """Read and check both files.

    Raises:
        InvalidFile: A file cannot be read, there are no events, or none names one of the papers.
    """
    papers = tuple(iter_papers(papers_file))
    row_of = {paper.paper_id: row for row, paper in enumerate(papers)}
    count, known = 0, []
    for event in iter_events(events_file, now=dt.datetime.now(dt.UTC)):
        count += 1
        row = row_of.get(event.paper_id)
        if row is not None:
            known.append(Event(event.user_id, row, event.event_type.value, seconds_of(event.occurred_at)))
    if not count:
        raise InvalidFile(str(events_file), "no event follows the header", line=1)
    if not known:
        raise InvalidFile(str(events_file), f"none of the {count} events names one of the papers", line=2)
    return FileData(name, papers, reactions_of(known), count, count - len(known))


def needed(data: FileData, *, until: float, paper_limit: int | None, seed: int, warn: Warn = unheard) -> FileData:
    """Return the part of the data whose papers must be embedded to train on what is dated before ``until``.

    Args:
        until: Unix seconds.
        paper_limit: Greatest number of papers; more are replaced by a sample, and ``warn`` is told. None takes all.

    Raises:
        TrainingError: No event is dated before ``until``.
    """
    bare = data.dataset(np.empty((len(data.papers), 0), dtype=np.float32)).with_history(unheard)
    known = bare.before(until)
    check_limit(bare, known, until)
    if paper_limit is None or len(known.papers) <= paper_limit:
        return data
    warn(f"{data.name}: this recipe uses a sample of {paper_limit:,} of {len(known.papers):,} papers")
    row_of = {paper.paper_id: row for row, paper in enumerate(data.papers)}
    chosen = known.papers.take(sample_papers(known, paper_limit, seed).tolist()).paper_ids
    return data.part(np.array([row_of[paper_id] for paper_id in chosen], dtype=np.intp))


def embed(
    data: FileData,
    encoder: OpenedEncoder,
    *,
    with_titles: bool,
    progress: Progress = silent,
    warn: Warn = unheard,
) -> Dataset:
    """Return the data set with the encoder's vectors.

    Args:
        with_titles: Also embed the titles alone where papers have abstracts, as training needs.
    """
    texts = [embedding_text(paper.title, paper.abstract) for paper in data.papers]
    found = data.dataset(_encoded(encoder, texts, f"embedding {data.name}", progress)).with_history(warn)
    if not with_titles or not any(paper.abstract for paper in data.papers):
        return found
    titles = [paper.title for paper in data.papers]
    stage = f"embedding the titles of {data.name}"
    return replace(found, title_embeddings=_encoded(encoder, titles, stage, progress))


def _encoded(encoder: OpenedEncoder, texts: list[str], stage: str, progress: Progress) -> Float32Array:
    """Return (texts, d) float32 vectors; there is at least one text."""
    parts = []
    for start in range(0, len(texts), _TEXTS_AT_A_TIME):
        progress(stage, start, len(texts))
        parts.append(encoder.encode_in_background(texts[start : start + _TEXTS_AT_A_TIME]))
    progress(stage, len(texts), len(texts))
    return np.concatenate(parts)
