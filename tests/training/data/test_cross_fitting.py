import numpy as np

from testing.training import planted
from training.data.cross_fitting import NO_FOLD, split_likes
from training.data.query_groups import queries_of
from training.data.weeks import week_of
from training.recipes import find_recipe

DATED, UNDATED = planted(dated=True), planted(dated=False)


def test_undated_folds_hide_papers() -> None:
    """The map of a fold sees all likes except those of the fifth of papers that its queries ask for."""
    folds = split_likes(UNDATED, 2, np.random.default_rng(0))
    assert folds.of_paper is not None
    assert len(folds) == 2
    for query in queries_of(UNDATED, folds, find_recipe("tiny"), np.random.default_rng(0)):
        seen = folds.visible[query.fold]
        assert not np.isin(query.candidates, seen.papers).any()
    for fold, seen in enumerate(folds.visible):
        assert len(seen.papers) == (folds.of_paper[UNDATED.likes.papers] != fold).sum()


def test_dated_folds_see_the_past() -> None:
    """The map of a week has seen no like from that week or later; early weeks have no map."""
    folds = split_likes(DATED, 3, np.random.default_rng(0))
    found = {NO_FOLD: 0, 0: 0, 1: 0, 2: 0}
    for query in queries_of(DATED, folds, find_recipe("default"), np.random.default_rng(0)):
        found[query.fold] += 1
        if query.fold != NO_FOLD:
            assert week_of(folds.visible[query.fold].liked_at).max() < query.week
    assert min(found.values()) > 10
