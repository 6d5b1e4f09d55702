"""Hidden information in training queries, for dated and for undated data."""

from dataclasses import replace

import numpy as np
import pytest

from ranker.features import SCHEMA
from ranker.types import Float32Array
from testing.training import DATASETS
from training.data.catalogs import DatasetPapers
from training.data.cross_fitting import Folds, split_likes
from training.data.query_groups import queries_of
from training.data.rows import feature_rows
from training.preparation import papers_of
from training.progress import silent
from training.recipes import FactorSettings, Hiding, Recipe, Simulated, find_recipe
from training.spaces.learned_spaces import learn_spaces

NOTHING = Hiding(0.0, 0.0, 0.0, (), 0.0)
TINY = find_recipe("tiny")
FACTORS = FactorSettings(factor_count=16, term_count=500, steps=2, batch_users=64, pool_size=200)
RECIPE = replace(TINY, factors=FACTORS, undated_hiding=NOTHING, dated_hiding=NOTHING)
DATED, UNDATED = 0, 1


@pytest.fixture(scope="module")
def learned() -> tuple[list[Folds], list[DatasetPapers]]:
    """Fit folds and spaces of both data sets, and return the folds and the papers in the spaces."""
    folds = [split_likes(dataset, 2, np.random.default_rng(0)) for dataset in DATASETS]
    return folds, papers_of(DATASETS, learn_spaces(DATASETS, folds, RECIPE, 0, silent))


def features(learned: tuple[list[Folds], list[DatasetPapers]], part: int, recipe: Recipe) -> Float32Array:
    """Return the rows of the last queries of one data set, whose users have some history."""
    folds, papers = learned
    queries = queries_of(DATASETS[part], folds[part], recipe, np.random.default_rng(1))[-20:]
    shown = feature_rows([(papers[part], query) for query in queries], recipe, np.random.default_rng(2), silent)
    return shown.features


@pytest.fixture(scope="module")
def whole(learned: tuple[list[Folds], list[DatasetPapers]]) -> list[Float32Array]:
    """The rows of both kinds in which nothing is hidden."""
    return [features(learned, part, RECIPE) for part in (DATED, UNDATED)]


def column(rows: Float32Array, name: str) -> Float32Array:
    """Return the column of one feature."""
    return rows[:, SCHEMA.names.index(name)]


@pytest.mark.parametrize(("part", "other"), [("dated_hiding", UNDATED), ("undated_hiding", DATED)])
def test_each_kind_has_its_own(
    learned: tuple[list[Folds], list[DatasetPapers]], whole: list[Float32Array], part: str, other: int
) -> None:
    """All profiles of one kind are cut to one to five likes; rows of the other kind do not change."""
    hiding = replace(RECIPE, **{part: replace(NOTHING, small_profile_share=1.0)})
    kind = UNDATED if other == DATED else DATED

    cut = column(features(learned, kind, hiding), "profile_log_likes")

    assert cut.max() <= np.log1p(5) + 1e-6
    assert column(whole[kind], "profile_log_likes").max() > np.log1p(8)
    assert np.array_equal(features(learned, other, hiding), whole[other], equal_nan=True)


@pytest.mark.parametrize("part", [DATED, UNDATED])
def test_trained_without_a_family(learned: tuple[list[Folds], list[DatasetPapers]], part: int) -> None:
    """A recipe without a family has it unknown in every row of both kinds; other families stay known."""
    rows = features(learned, part, RECIPE.without(["text", "embedding"]))

    gone = np.concatenate((SCHEMA.columns_of("text"), SCHEMA.columns_of("embedding")))
    assert np.isnan(rows[:, gone]).all()
    assert np.isfinite(column(rows, "collaborative_linear")).any()


def test_masks_add_up() -> None:
    """Leaving a family out keeps the shares of the other families."""
    hiding = Hiding().without(["text"])
    assert dict(hiding.masked_shares) == {**dict(Hiding().masked_shares), "text": 1.0}
    assert Hiding().without([]) == Hiding()


def test_a_family_left_out_is_not_in_the_base() -> None:
    """The base loses the features of a family that is left out, and keeps the others."""
    left = TINY.without(["embedding"]).base
    assert left == tuple(each for each in TINY.base if not each[0].startswith("embedding_"))
    assert 0 < len(left) < len(TINY.base)


def test_catalogs_of_the_recipe(learned: tuple[list[Folds], list[DatasetPapers]]) -> None:
    """Rows see statistics of catalogs of the recipe's sizes; without a recipe they see all papers from before."""
    folds, papers = learned
    plain = replace(RECIPE, simulated=Simulated(follows_share=0, dislikes_share=0, crowd_share=0))
    none, everything = (features(learned, DATED, replace(plain, catalog_sizes=(size,))) for size in (0, None))
    queries = queries_of(DATASETS[DATED], folds[DATED], RECIPE, np.random.default_rng(1))[-20:]
    judged = feature_rows([(papers[DATED], query) for query in queries], None, np.random.default_rng(2), silent)

    assert np.array_equal(everything, judged.features, equal_nan=True)
    assert not np.allclose(column(none, "text_linear"), column(everything, "text_linear"), equal_nan=True)
