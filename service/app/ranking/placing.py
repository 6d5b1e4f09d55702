"""Conversion of stored papers to the ranker's columns and to rows in the spaces of the serving bundle."""

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ranker.papers import PaperColumns
from ranker.spaces.spaces import PaperMatrix, plain_matrix
from ranker.spaces.statistics import count_terms
from service.app.ports import Vectors
from service.app.ranking.serving import Serving
from service.domain.papers import Paper, embedding_text

DEFAULT_DIM = 384
KEPT_TERMS = 1_000
PAUSE_SECONDS = 0.0002
"""Pause after some texts: worker threads get the interpreter within a millisecond, and not after five."""


def columns_of(papers: Sequence[Paper], vectors: Mapping[str, Vectors], dim: int) -> PaperColumns:
    """Return the ranker's columns of papers; a paper without a vector of this dimension gets a row of NaN."""
    embeddings = np.full((len(papers), dim), np.nan, dtype=np.float32)
    for row, paper in enumerate(papers):
        vector = vectors.get(paper.paper_id)
        if vector is not None and vector.shape == (dim,):
            embeddings[row] = vector
    return PaperColumns(
        paper_ids=tuple(paper.paper_id for paper in papers),
        titles=tuple(paper.title for paper in papers),
        texts=tuple(embedding_text(paper.title, paper.abstract) for paper in papers),
        embeddings=embeddings,
        published_at=np.array([seconds_of(paper.published_at) for paper in papers], dtype=np.float64),
        first_seen_at=np.array([seconds_of(paper.first_seen_at) for paper in papers], dtype=np.float64),
        upvotes=np.array([np.nan if p.upvotes is None else p.upvotes for p in papers], dtype=np.float64),
        categories=tuple(paper.categories for paper in papers),
        authors=tuple(paper.authors for paper in papers),
    )


def seconds_of(moment: dt.datetime | None) -> float:
    """Return Unix seconds; NaN if the time is unknown."""
    return moment.timestamp() if moment else float("nan")


def unchecked() -> None:
    """Let work go on."""


def place_papers(
    serving: Serving, papers: Sequence[Paper], vectors: Mapping[str, Vectors], check: Callable[[], None] = unchecked
) -> PaperMatrix:
    """Return papers in the spaces of the serving bundle; without a bundle, only their vectors.

    Args:
        check: Called now and then while many papers are placed; its exceptions end the work.
    """
    if serving.bundle is not None:
        columns = columns_of(papers, vectors, serving.bundle.spaces.embedding_dim)
        # Terms of many papers are not kept, because they would push those of the users' likes out.
        counts = (
            None if len(papers) <= KEPT_TERMS else count_terms(with_pauses(columns.texts, at_a_time=64, check=check))
        )
        return serving.bundle.spaces.matrix(columns, counts)
    # A vector of another length than most is not of this encoder; its paper is pending.
    lengths = Counter(len(vector) for vector in vectors.values()) or {DEFAULT_DIM: 1}
    dim = max(lengths, key=lambda length: (lengths[length], length))
    return plain_matrix(columns_of(papers, vectors, dim))


def with_pauses(texts: Sequence[str], *, at_a_time: int, check: Callable[[], None] = unchecked) -> Iterator[str]:
    """Yield the texts; let other threads work between some of them. A pause takes up to a millisecond."""
    for number, text in enumerate(texts):
        if number % at_a_time == 0:
            check()
            time.sleep(PAUSE_SECONDS)
        yield text
