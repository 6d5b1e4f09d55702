"""Rounds and views of made-up data sets."""

import datetime as dt
from dataclasses import replace

import numpy as np

from ranker.papers import PaperColumns
from testing.training import MONDAY, WEEK, planted
from training.data.snapshot import Dataset, Likes
from training.evaluation.corpus import Corpus, View
from training.evaluation.protocols import Round, cold_items, weekly_digest

FIRST_DAY, LAST_DAY = dt.date(2017, 5, 1), dt.date(2017, 12, 31)


def dated() -> Dataset:
    """Return a dated data set of three fields; each user likes one field."""
    return planted(dated=True)


def undated() -> Dataset:
    """Return the same data set without dates."""
    return planted(dated=False)


def cold_round() -> tuple[View, Round]:
    """Return a round of cold-items on ``undated``."""
    data = undated()
    this = cold_items(data, 1)
    return Corpus.of(data.papers).view(this.visible, this.candidates), this


def week_round(dataset: Dataset, number: int = 0) -> tuple[View, Round]:
    """Return a round of weekly-digest."""
    this = list(weekly_digest(dataset, FIRST_DAY, LAST_DAY, 1))[number]
    return Corpus.of(dataset.papers).view(this.visible, this.candidates), this


def with_paper(dataset: Dataset, published_at: float, text: str = "genome protein cell") -> Dataset:
    """Add a paper, first in the file, that user 0 likes at its date and user 1 by a wrong date long before."""
    papers, likes = dataset.papers, dataset.likes
    new = {
        "paper_ids": ("planted",),
        "titles": (text,),
        "texts": (text,),
        "embeddings": papers.embeddings[:1] * 3 + 1,
        "published_at": np.array([published_at]),
        "first_seen_at": np.array([np.nan]),
        "upvotes": np.array([1e6]),
        "categories": (("cs.IR",),),
        "authors": (("A. Author",),),
    }
    columns = {
        name: new[name] + column if isinstance(column, tuple) else np.concatenate((new[name], column))
        for name, column in vars(papers).items()
        if column is not None
    }
    users, rows, times = likes.users.tolist(), (likes.papers + 1).tolist(), likes.liked_at.tolist()
    return replace(
        dataset,
        papers=PaperColumns(**columns),
        likes=Likes.of([*users, 0, 1], [*rows, 0, 0], [*times, published_at, MONDAY + WEEK]),
    )
