"""Conversion of stored papers to the ranker's columns and to rows in the spaces of the serving bundle."""

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np

from ranker.papers import PaperColumns
from ranker.spaces.spaces import PaperMatrix, plain_matrix
from service.app.ports import Vectors
from service.app.ranking.serving import Serving
from service.domain.papers import Paper, embedding_text

DEFAULT_DIM = 384


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


def place_papers(serving: Serving, papers: Sequence[Paper], vectors: Mapping[str, Vectors]) -> PaperMatrix:
    """Return papers in the spaces of the serving bundle; without a bundle, only their vectors."""
    if serving.bundle is not None:
        return serving.bundle.spaces.matrix(columns_of(papers, vectors, serving.bundle.spaces.embedding_dim))
    dim = next(iter(vectors.values())).shape[0] if vectors else DEFAULT_DIM
    return plain_matrix(columns_of(papers, vectors, dim))
