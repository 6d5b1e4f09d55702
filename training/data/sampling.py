"""A sample of a data set's papers for recipes that are to be quick: no other paper needs to be embedded."""

import numpy as np

from ranker.types import IndexArray
from training.data.snapshot import Dataset

_LIKES_OF_A_USER = 30
"""Likes of a user that a sample has at most, so that it has several users."""


def sample_papers(dataset: Dataset, limit: int, seed: int) -> IndexArray:
    """Return the rows, ascending, of at most ``limit`` papers.

    Half are liked papers, of as many users as they suffice for. The others are drawn at random from all other papers.
    The same arguments give the same rows.
    """
    rng = np.random.default_rng(seed)
    likes, liked = dataset.likes, set[int]()
    for user in rng.permutation(np.unique(likes.users)).tolist():
        own = likes.papers[likes.of_user(user)]
        liked.update(rng.permutation(own)[:_LIKES_OF_A_USER].tolist())
        if len(liked) >= limit // 2:
            break
    chosen = np.array(sorted(liked), dtype=np.intp)[: limit // 2]
    others = np.setdiff1d(np.arange(len(dataset.papers)), chosen)
    return np.union1d(chosen, rng.permutation(others)[: limit - len(chosen)])
