"""The steps before feature rows: fit the spaces, make the queries, and hold out some users."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.catalogs import DatasetPapers
from training.data.cross_fitting import Folds, split_likes
from training.data.query_groups import Query, lack_of_queries, queries_of
from training.data.snapshot import Dataset, check_dataset
from training.errors import TrainingError
from training.progress import Progress
from training.recipes import Recipe
from training.spaces.learned_spaces import LearnedSpaces, learn_spaces

Queries = list[list[Query]]
"""The queries of each data set."""


@dataclass(frozen=True)
class Prepared:
    """A training run before its feature rows.

    Attributes:
        datasets: The data sets as known before the recipe's ``known_until``.
        learn: Queries of the users that the trees are grown on.
        held_out: Queries of the users held out for early stopping.
    """

    datasets: tuple[Dataset, ...]
    recipe: Recipe
    seed: int
    spaces: LearnedSpaces
    learn: Queries
    held_out: Queries

    @property
    def shares(self) -> list[float]:
        """The total weight of each data set; see ``training.data.rows.query_weights``."""
        return [self.recipe.dated_weight if dataset.dated else 1.0 for dataset in self.datasets]

    def papers(self) -> list[DatasetPapers]:
        """Return the papers of each data set, as its queries see them."""
        return papers_of(self.datasets, self.spaces)


def papers_of(datasets: Sequence[Dataset], spaces: LearnedSpaces) -> list[DatasetPapers]:
    """Return the papers of each data set, as its queries see them."""
    return [
        DatasetPapers(dataset, prior, spaces.maps, foreign_map)
        for dataset, prior, foreign_map in zip(datasets, spaces.priors, spaces.foreign_maps, strict=True)
    ]


def prepare(
    datasets: Sequence[Dataset], recipe: Recipe, seed: int, rng: np.random.Generator, progress: Progress
) -> Prepared:
    """Prepare a run; deterministic in its arguments.

    Raises:
        TrainingError: There is nothing to learn from.
    """
    known = [dataset.before(recipe.known_until) for dataset in datasets]
    if not known:
        raise TrainingError("no data sets were given")
    for dataset in known:
        check_dataset(dataset, known[0].papers.embeddings.shape[1])
    folds = [split_likes(dataset, recipe.fold_count, rng) for dataset in known]
    progress("spaces", 0, 1)
    spaces = learn_spaces(known, folds, recipe, seed, progress)
    learn, held_out = _split_queries(known, folds, recipe, rng)
    return Prepared(tuple(known), recipe, seed, spaces, learn, held_out)


def _split_queries(
    datasets: Sequence[Dataset], folds: Sequence[Folds], recipe: Recipe, rng: np.random.Generator
) -> tuple[Queries, Queries]:
    """Return the queries to learn from, and those of the held-out users."""
    learn: Queries = []
    held_out: Queries = []
    for dataset, part in zip(datasets, folds, strict=True):
        queries = queries_of(dataset, part, recipe, rng)
        users = rng.permutation(np.unique([query.user for query in queries]))
        kept = set(users[: max(1, round(len(users) * recipe.held_out_share))].tolist())
        learn.append([query for query in queries if query.user not in kept])
        held_out.append([query for query in queries if query.user in kept])
        if not learn[-1] or not held_out[-1]:
            raise TrainingError(f"{dataset.name}: {lack_of_queries(dataset)}")
    return learn, held_out
