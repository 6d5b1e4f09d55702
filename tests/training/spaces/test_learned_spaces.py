"""All spaces of a training run: the bundle's, the priors of training queries, and the factor maps."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ranker.spaces.factors import FactorMap
from testing.training import DATASETS
from training.data.cross_fitting import NO_FOLD, split_likes
from training.data.snapshot import Dataset
from training.progress import silent
from training.recipes import FactorSettings, Recipe, find_recipe
from training.spaces.learned_spaces import LearnedSpaces, learn_spaces
from training.spaces.space_fitting import fit_spaces

FACTORS = FactorSettings(factor_count=8, term_count=100, steps=2, batch_users=32, pool_size=50)
RECIPE = replace(find_recipe("tiny"), factors=FACTORS)
WITHOUT = replace(RECIPE, factors=None)


def learned(datasets: Sequence[Dataset], recipe: Recipe) -> LearnedSpaces:
    """Learn the spaces of these data sets."""
    folds = [split_likes(dataset, recipe.fold_count, np.random.default_rng(0)) for dataset in datasets]
    return learn_spaces(datasets, folds, recipe, 0, silent)


def bits(found: FactorMap | None) -> bytes:
    """Return the bits of a map."""
    assert found is not None
    return found.vector_map.tobytes() + found.term_map.tobytes()


def test_priors_come_from_the_other_data_sets() -> None:
    """The queries of a data set see the statistics of the others, because a bundle has not seen its catalog."""
    third = replace(DATASETS[0], name="third")
    datasets = (*DATASETS, third)
    found = learned(datasets, WITHOUT)

    for number, prior in enumerate(found.priors):
        others = [other for other in datasets if other is not datasets[number]]
        assert prior.statistics.to_bytes() == fit_spaces(others).statistics.to_bytes()
    assert found.bundle.statistics.to_bytes() == fit_spaces(datasets).statistics.to_bytes()


def test_a_single_data_set_has_its_own_prior() -> None:
    """A data set alone sees its own statistics, and has no foreign map."""
    found = learned(DATASETS[:1], RECIPE)
    assert found.priors[0].statistics.to_bytes() == fit_spaces(DATASETS[:1]).statistics.to_bytes()
    assert found.foreign_maps == (None,)


def test_a_recipe_without_factors() -> None:
    """Without settings of factors, no map is learned."""
    found = learned(DATASETS, WITHOUT)
    assert found.bundle.factor_map is None
    assert found.maps == {NO_FOLD: None}
    assert found.foreign_maps == (None, None)


def test_foreign_maps_have_not_seen_the_own_likes() -> None:
    """Other likes of a data set change its folds' maps and the bundle's, but not its foreign map."""
    likes = DATASETS[0].likes
    changed = replace(DATASETS[0], likes=likes.where(np.flatnonzero(likes.users % 2 == 0)))
    one, other = learned(DATASETS, RECIPE), learned((changed, DATASETS[1]), RECIPE)

    assert bits(one.foreign_maps[0]) == bits(other.foreign_maps[0])
    assert bits(one.foreign_maps[1]) != bits(other.foreign_maps[1])
    assert bits(one.bundle.factor_map) != bits(other.bundle.factor_map)
    assert set(one.maps) == {NO_FOLD, 0, 1}
    assert bits(one.maps[1]) != bits(other.maps[1])
    assert one.maps[NO_FOLD] is None


def test_priors_have_no_map() -> None:
    """Queries take the map of their catalog, so that priors have none."""
    assert all(prior.factor_map is None for prior in learned(DATASETS, RECIPE).priors)
