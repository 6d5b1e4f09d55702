"""A data set from a service's database, read in one read-only transaction. Deleted users are not in it."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ranker.papers import PaperColumns, stack_columns
from ranker.signals import NO_SIGNALS, Signals
from service.app.ports import Transaction, Vectors
from service.app.ranking.placing import columns_of, seconds_of
from service.app.ranking.signals import signals_of, user_code
from service.domain.events import EventType
from service.storage import open_store, schema
from training.data.reactions import GRADED_EVENTS, Event, dataset_of, reactions_of
from training.data.snapshot import Dataset
from training.errors import TrainingError
from training.progress import Progress, Warn, silent, unheard

_PAPERS_AT_A_TIME = 1_000


def read_database(
    url: str, encoder_name: str, name: str = "database", *, progress: Progress = silent, warn: Warn = unheard
) -> Dataset:
    """Read the present content of a database, with the encoder's vectors.

    Papers without such a vector get a row of NaN. Papers stand in the order of their ids.

    Raises:
        InvalidField: The URL is not a database URL.
        SchemaMismatch: The database has the schema of another version.
        StorageUnavailable: The database does not exist or does not answer.
        TrainingError: The database has no papers, or none with a vector of this encoder.
    """
    schema.check(url)
    taken_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    with open_store(url, pool_size=1) as store, store.read() as tx:
        papers = _papers(tx, encoder_name, name, progress, warn)
        reactions = reactions_of(_events(tx, papers.paper_ids))
    return replace(dataset_of(name, papers, reactions, user_code, warn), taken_at=taken_at)


def _papers(tx: Transaction, encoder_name: str, name: str, progress: Progress, warn: Warn) -> PaperColumns:
    count = tx.papers.count()
    if not count:
        raise TrainingError(f"{name}: has no papers")
    ids, vectors = tx.papers.all_vectors(encoder_name)
    if not ids:
        others = ", ".join(sorted(tx.papers.encoders())) or "none at all"
        problem = f"no paper has a vector of the encoder {encoder_name} (vectors there are of: {others})"
        raise TrainingError(f"{name}: {problem}; name another encoder by PAPERFEED_ENCODER, or let a server embed them")
    if len(ids) < count:
        warn(f"{count - len(ids)} of {count} papers have no vector of {encoder_name} yet; they count as pending")
    parts: list[PaperColumns] = []
    for part in _parts(tx, dict(zip(ids, vectors, strict=True)), vectors.shape[1]):
        parts.append(part)
        progress("reading papers", sum(map(len, parts)), count)
    return stack_columns(parts)


def _parts(tx: Transaction, vectors: dict[str, Vectors], dim: int) -> Iterator[PaperColumns]:
    """Yield all papers by id, with their signals."""
    after = ""
    while papers := tx.papers.page(after=after, limit=_PAPERS_AT_A_TIME):
        after = papers[-1].paper_id
        activities = tx.signals.find_many([paper.paper_id for paper in papers])
        signals = [
            signals_of(activities[paper.paper_id]) if paper.paper_id in activities else NO_SIGNALS for paper in papers
        ]
        yield replace(columns_of(papers, vectors, dim), signals=Signals.of(signals))


def _events(tx: Transaction, paper_ids: Sequence[str]) -> Iterator[Event]:
    """Yield the graded events in the order of their arrival."""
    row_of = {paper_id: row for row, paper_id in enumerate(paper_ids)}
    for user, paper, kind, at in tx.users.reactions([EventType(name) for name in sorted(GRADED_EVENTS)]):
        yield Event(user, row_of[paper], kind.value, seconds_of(at))
