"""Made-up data sets for training, in which users like papers of their own field only."""

import numpy as np

from ranker.papers import paper_columns
from training.data.snapshot import Dataset, Likes

DIM = 12
WEEK = 7 * 86_400.0
MONDAY = 1_483_315_200.0
"""2017-01-02 00:00 UTC."""
_FIELD_WORDS = (("genome", "protein", "cell"), ("compiler", "kernel", "memory"), ("market", "price", "auction"))


def planted(*, dated: bool, user_count: int = 60, paper_count: int = 400, weeks: int = 40, seed: int = 0) -> Dataset:
    """Return papers of three fields, and users who each like 15 random papers of one field."""
    rng = np.random.default_rng(seed)
    field = rng.integers(0, 3, paper_count)
    centres = np.random.default_rng(1).standard_normal((3, DIM))
    vectors = centres[field] + 0.8 * rng.standard_normal((paper_count, DIM))
    words = [[_FIELD_WORDS[f][i] for i in rng.integers(0, 3, 4)] + [f"w{rng.integers(0, 500)}"] for f in field]
    published = MONDAY + WEEK * rng.uniform(0, weeks, paper_count)
    name = "dated" if dated else "undated"
    papers = paper_columns(
        [f"{name}{i}" for i in range(paper_count)],
        [" ".join(w) for w in words],
        vectors.astype(np.float32),
        published_at=published if dated else None,
    )
    users, liked = [], []
    for user in range(user_count):
        own = rng.choice(np.flatnonzero(field == user % 3), 15, replace=False)
        users += [user] * len(own)
        liked += own.tolist()
    times = published[liked] if dated else np.full(len(liked), np.nan)
    return Dataset(name, papers, Likes.of(users, liked, times.tolist()))


DATASETS = (planted(dated=True), planted(dated=False, seed=1))
"""A dated and an undated data set, to train on."""
