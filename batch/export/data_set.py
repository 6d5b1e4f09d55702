"""An export as a data set for training and evaluation."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from batch.errors import InputUnusable
from batch.export import paper_table, profile_table
from batch.export.sorted_rows import SortedRows
from batch.export.source import EVENTS, PAPERS, PROFILES, check_count, read_manifest
from batch.parquet import opened, part_files
from ranker.papers import PaperColumns, stack_columns
from ranker.signals import Signals
from service.app.ports import Vectors
from service.app.ranking.placing import columns_of, seconds_of
from service.app.ranking.signals import user_code
from service.domain.papers import Paper
from training.data.reactions import GRADED_EVENTS, Event, dataset_of, reactions_of
from training.data.snapshot import Dataset
from training.errors import TrainingError
from training.progress import Progress, Warn, silent, unheard


def read_export(
    folder: Path, encoder_name: str, name: str = "export", *, progress: Progress = silent, warn: Warn = unheard
) -> Dataset:
    """Read an export as ``data_sets.database`` reads its database, with the encoder's vectors.

    Without a table of events the likes and dislikes of the profiles are used: saves then count as likes, and clicks are
    unknown.

    Raises:
        InputUnusable: The folder holds no complete export, or vectors of another encoder.
        TrainingError: The export has no papers, or none with a vector.
    """
    manifest = read_manifest(folder)
    if manifest["encoder"] != encoder_name:
        raise InputUnusable(folder, f"holds vectors of {manifest['encoder']}, not of {encoder_name}")
    counts = manifest["row_counts"]
    read = (PAPERS, EVENTS if EVENTS in counts else PROFILES)
    for table in read:
        check_count(folder / table, counts[table])
    papers = _papers(folder, counts[PAPERS], name, progress, warn)
    row_of = {paper_id: row for row, paper_id in enumerate(papers.paper_ids)}
    events = _events(folder, row_of) if EVENTS in read else _profiles(folder, row_of)
    found = dataset_of(name, papers, reactions_of(events), user_code, warn)
    return replace(found, taken_at=manifest["made_at"])


def _papers(folder: Path, count: int, name: str, progress: Progress, warn: Warn) -> PaperColumns:
    if not count:
        raise TrainingError(f"{name}: has no papers")
    vectors: dict[str, Vectors] = {}
    parts: list[tuple[list[Paper], Signals]] = []
    for table in SortedRows(folder / PAPERS, "paper_id").between(""):
        vectors |= paper_table.vectors_of(table)
        parts.append((paper_table.papers_of(table), Signals.of(paper_table.signals_of(table))))
        progress("reading papers", sum(len(papers) for papers, _ in parts), count)
    if not vectors:
        raise TrainingError(f"{name}: no paper has a vector: export again when a server has embedded them")
    if len(vectors) < count:
        warn(f"{count - len(vectors)} of {count} papers have no vector; they count as pending")
    dim = len(next(iter(vectors.values())))
    return stack_columns([replace(columns_of(papers, vectors, dim), signals=signals) for papers, signals in parts])


def _events(folder: Path, row_of: Mapping[str, int]) -> Iterator[Event]:
    """Yield the graded events in the order of their arrival."""
    for path in part_files(folder / EVENTS):
        with opened(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    if row["event"] in GRADED_EVENTS:
                        yield _event(row["user_id"], row_of, row["paper_id"], row["event"], row["occurred_at"])


def _profiles(folder: Path, row_of: Mapping[str, int]) -> Iterator[Event]:
    """Yield the likes and dislikes that hold; a dismissal leaves a like as it is."""
    for table in SortedRows(folder / PROFILES, "user_id").between(""):
        for state in profile_table.states_of(table):
            for kind, part in (("like", state.likes), ("dismiss", state.dislikes)):
                for like in part:
                    yield _event(state.user_id, row_of, like.paper_id, kind, like.liked_at)


def _event(user: str, row_of: Mapping[str, int], paper_id: str, kind: str, at: dt.datetime | None) -> Event:
    return Event(user, row_of[paper_id], kind, seconds_of(at))
