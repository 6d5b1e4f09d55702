"""The steps before feature rows: fit the spaces, make the queries, and hold out some users."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.catalogs import DatasetPapers
from training.data.cross_fitting import Folds, split_likes
from training.data.lone_user import find_lone_user, halves, lack_of_lone_user, lone_queries, undated
from training.data.query_groups import Query, lack_of_queries, queries_of
from training.data.snapshot import Dataset, check_dataset, check_limit
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
        lone_users: Names of the data sets in which one user alone has a history; this user's other half of the likes
            is held out.
        folds: The folds of each data set.
    """

    datasets: tuple[Dataset, ...]
    recipe: Recipe
    seed: int
    spaces: LearnedSpaces
    learn: Queries
    held_out: Queries
    lone_users: tuple[str, ...] = ()
    folds: tuple[Folds, ...] = ()

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
    for dataset, limited in zip(datasets, known, strict=True):
        check_limit(dataset, limited, recipe.known_until)
        check_dataset(limited, known[0].papers.embeddings.shape[1])
    folds = [split_likes(dataset, recipe.fold_count, rng) for dataset in known]
    parts = [_split(dataset, part, recipe, rng) for dataset, part in zip(known, folds, strict=True)]
    shown = tuple(part.dataset for part in parts)
    progress("spaces", 0, 1)
    spaces = learn_spaces(shown, [part.folds for part in parts], recipe, seed, progress)
    learn, held_out = [part.learn for part in parts], [part.held_out for part in parts]
    lone_users = tuple(part.dataset.name for part in parts if part.is_lone)
    return Prepared(shown, recipe, seed, spaces, learn, held_out, lone_users, tuple(part.folds for part in parts))


def held_out_users(datasets: Sequence[Dataset], recipe: Recipe, seed: int) -> list[list[int]]:
    """Return for each data set the users whom a training with this seed holds out, ascending. Needs no vectors."""
    rng = np.random.default_rng(seed)
    known = [dataset.before(recipe.known_until) for dataset in datasets]
    folds = [split_likes(dataset, recipe.fold_count, rng) for dataset in known]
    parts = [_split(dataset, part, recipe, rng) for dataset, part in zip(known, folds, strict=True)]
    return [sorted({query.user for query in part.held_out}) for part in parts]


@dataclass(frozen=True)
class _Part:
    """The queries of one data set."""

    dataset: Dataset
    folds: Folds
    learn: list[Query]
    held_out: list[Query]
    is_lone: bool = False


def _split(dataset: Dataset, folds: Folds, recipe: Recipe, rng: np.random.Generator) -> _Part:
    """Return the queries to learn from, and those of the held-out users."""
    queries = queries_of(dataset, folds, recipe, rng)
    users = rng.permutation(np.unique([query.user for query in queries]))
    kept = set(users[: max(1, round(len(users) * recipe.held_out_share))].tolist())
    learn = [query for query in queries if query.user not in kept]
    held_out = [query for query in queries if query.user in kept]
    if learn and held_out:
        return _Part(dataset, folds, learn, held_out)
    user = find_lone_user(dataset)
    problem = lack_of_queries(dataset) if user is None else lack_of_lone_user(dataset, user)
    if user is None or problem:
        raise TrainingError(f"{dataset.name}: {problem}")
    return _lone_part(undated(dataset), user, recipe, rng)


def _lone_part(dataset: Dataset, user: int, recipe: Recipe, rng: np.random.Generator) -> _Part:
    folds = halves(dataset, user, rng)
    learn, held_out = (
        list(
            lone_queries(
                dataset,
                user,
                folds,
                half,
                limit=recipe.undated_query_limit // 2,
                candidate_count=recipe.undated_candidate_count,
                rng=rng,
            )
        )
        for half in (0, 1)
    )
    return _Part(dataset, folds, learn, held_out, is_lone=True)
