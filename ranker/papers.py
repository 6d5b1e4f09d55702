"""Papers as columns, the form in which storage and snapshots pass them on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from ranker.errors import InputError
from ranker.signals import Signals, stack_signals
from ranker.types import Float32Array, Float64Array


@dataclass(frozen=True)
class PaperColumns:
    """The data of n papers. If some columns are unknown, build it with ``paper_columns``.

    Attributes:
        paper_ids: Unique ids.
        texts: The title and, on the next line, the abstract if there is one.
        embeddings: (n, d) float32; a row of NaN if the vector is pending.
        published_at: (n,) float64 Unix seconds; NaN unknown.
        first_seen_at: (n,) float64 Unix seconds; NaN unknown.
        upvotes: (n,) float64 latest counts, of unknown times; NaN unknown. Not used for papers with upvote snapshots in
            ``signals``.
        categories: Categories of each paper, the primary one first.
        signals: Upvotes and events with their times; None if no paper has any.
    """

    paper_ids: tuple[str, ...]
    titles: tuple[str, ...]
    texts: tuple[str, ...]
    embeddings: Float32Array
    published_at: Float64Array
    first_seen_at: Float64Array
    upvotes: Float64Array
    categories: tuple[tuple[str, ...], ...]
    authors: tuple[tuple[str, ...], ...]
    signals: Signals | None = None

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or self.embeddings.dtype != np.float32:
            raise InputError(f"embeddings must be (n, d) float32, not {self.embeddings.shape} {self.embeddings.dtype}")
        for name, column in vars(self).items():
            if column is not None and len(column) != len(self.paper_ids):
                raise InputError(f"{name} has {len(column)} rows for {len(self.paper_ids)} papers")
        if len(set(self.paper_ids)) != len(self.paper_ids):
            raise InputError("paper_ids must be unique, but holds an id twice")

    def __len__(self) -> int:
        return len(self.paper_ids)

    def take(self, rows: Sequence[int]) -> "PaperColumns":
        """Return the papers at ``rows``, in that order."""
        index = np.asarray(rows, dtype=np.intp)
        pick = _picker(index.tolist())
        taken: dict[str, Any] = {
            name: column[index] if isinstance(column, np.ndarray) else pick(column)
            for name, column in vars(self).items()
            if name != "signals"
        }
        return PaperColumns(**taken, signals=None if self.signals is None else self.signals.take(rows))


def _picker(rows: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a function that takes the values at ``rows`` from a tuple."""
    # With one row itemgetter returns a bare value; with none it raises.
    return itemgetter(*rows) if len(rows) > 1 else lambda values: tuple(values[row] for row in rows)


def paper_columns(
    paper_ids: Sequence[str],
    titles: Sequence[str],
    embeddings: Float32Array,
    *,
    abstracts: Sequence[str] | None = None,
    published_at: Float64Array | None = None,
    first_seen_at: Float64Array | None = None,
    upvotes: Float64Array | None = None,
    categories: Sequence[Sequence[str]] | None = None,
    authors: Sequence[Sequence[str]] | None = None,
) -> PaperColumns:
    """Return columns in which every argument left out is unknown for all papers.

    Raises:
        InputError: Columns differ in length, the embeddings are not 2-d float32, or an id occurs twice.
    """
    count = len(paper_ids)
    unknown = np.full(count, np.nan)
    return PaperColumns(
        paper_ids=tuple(paper_ids),
        titles=tuple(titles),
        texts=tuple(map(text_of, titles, abstracts if abstracts is not None else [""] * count)),
        embeddings=embeddings,
        published_at=unknown if published_at is None else published_at,
        first_seen_at=unknown if first_seen_at is None else first_seen_at,
        upvotes=unknown if upvotes is None else upvotes,
        categories=((),) * count if categories is None else tuple(map(tuple, categories)),
        authors=((),) * count if authors is None else tuple(map(tuple, authors)),
    )


def stack_columns(parts: Sequence[PaperColumns]) -> PaperColumns:
    """Return the papers of all parts; needs at least one part, and no paper may occur twice."""
    signals = stack_signals([part.signals for part in parts], [len(part) for part in parts])
    columns = {name: [vars(part)[name] for part in parts] for name in vars(parts[0]) if name != "signals"}
    joined: dict[str, Any] = {
        name: np.concatenate(found) if isinstance(found[0], np.ndarray) else tuple(chain.from_iterable(found))
        for name, found in columns.items()
    }
    return PaperColumns(**joined, signals=signals)


def text_of(title: str, abstract: str) -> str:
    """Return the text of a paper that the encoder and the term statistics read."""
    title, abstract = title.strip(), abstract.strip()
    return f"{title}\n{abstract}" if abstract else title
