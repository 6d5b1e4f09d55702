"""A snapshot of the service's database as a data set to train on.

Training knows nothing of the service, so it is here that stored rows become columns. All is read in one transaction
that cannot write: papers by id and events in the order of their arrival, each in parts. Whoever was deleted is not
there.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cli.output import progress_bar, warn

if TYPE_CHECKING:
    from ranker.papers import PaperColumns
    from service.app.ports import Transaction
    from training.data.reactions import Event
    from training.data.snapshot import Dataset

_PAPERS_AT_A_TIME = 1_000


def read_database(url: str, encoder_name: str, name: str = "database") -> "Dataset":
    """What the database at the URL holds now, with this encoder's vectors; papers without one count as pending.

    Where a history was imported, papers count from when they were published, not from when they were imported.

    Raises:
        InvalidField: The URL is none.
        SchemaMismatch: The database is of another version.
        StorageUnavailable: It is not there, or does not answer.
        TrainingError: It has no papers, or none with a vector of this encoder.
    """
    from dataclasses import replace

    import numpy as np

    from service.app.ranking.signals import user_code
    from service.storage import open_store, schema
    from training.data.reactions import reactions_of
    from training.data.snapshot import Dataset

    schema.check(url)
    store = open_store(url, pool_size=1)
    try:
        with store.read() as tx:
            papers = _papers(tx, encoder_name, name)
            reactions = reactions_of(_events(tx, papers.paper_ids))
    finally:
        store.dispose()
    found = Dataset(
        name=name,
        papers=papers,
        likes=reactions.likes,
        clicks=reactions.clicks,
        dislikes=reactions.dislikes,
        user_codes=np.array([user_code(user) for user in reactions.users], dtype=np.int64),
    )
    if not found.looks_imported:
        return found
    warn("most likes are older than their papers are here: papers count from when they were published")
    return replace(found, is_imported=True)


def _papers(tx: "Transaction", encoder_name: str, name: str) -> "PaperColumns":
    from ranker.papers import stack_columns
    from training.errors import TrainingError

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
    known = dict(zip(ids, vectors, strict=True))
    with progress_bar("reading papers", count) as bar:
        parts = []
        for part in _parts(tx, known, vectors.shape[1]):
            parts.append(part)
            bar.advance(len(part))
    return stack_columns(parts)


def _parts(tx: "Transaction", vectors: dict[str, Any], dim: int) -> Iterator["PaperColumns"]:
    """All papers by id, with their signals."""
    from dataclasses import replace

    from ranker.signals import NO_SIGNALS, Signals
    from service.app.ranking.placing import columns_of
    from service.app.ranking.signals import signals_of

    after = ""
    while papers := tx.papers.page(after=after, limit=_PAPERS_AT_A_TIME):
        after = papers[-1].paper_id
        activities = tx.signals.find_many([paper.paper_id for paper in papers])
        signals = [
            signals_of(activities[paper.paper_id]) if paper.paper_id in activities else NO_SIGNALS for paper in papers
        ]
        yield replace(columns_of(papers, vectors, dim), signals=Signals.of(signals))


def _events(tx: "Transaction", paper_ids: Sequence[str]) -> Iterator["Event"]:
    from service.domain.events import EventType
    from training.data.reactions import GRADED_EVENTS, Event

    row_of = {paper_id: row for row, paper_id in enumerate(paper_ids)}
    for user, paper, kind, at in tx.users.reactions([EventType(name) for name in sorted(GRADED_EVENTS)]):
        yield Event(user, row_of[paper], kind.value, at.timestamp() if at else float("nan"))
