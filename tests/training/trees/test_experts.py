import lightgbm
import numpy as np
import pytest

from ranker.types import Float32Array
from tests.training.trees.builders import BY_VECTORS, BY_WORDS, COLUMN, QUERIES, RECIPE, SIZE, rows
from training.progress import silent
from training.trees.experts import exact_contributions, fit_experts
from training.trees.fit import fit


def scores(text: str, features: Float32Array) -> Float32Array:
    """Return the scores of the rows."""
    return np.asarray(lightgbm.Booster(model_str=text).predict(features))


def test_each_kind_is_ranked_by_what_tells() -> None:
    """Scores follow words if likes have abstracts, and vectors otherwise."""
    fitted = fit_experts(rows(0), rows(1), RECIPE, 0, silent)
    probe = rows(2)
    found, half = scores(fitted.text, probe.features), QUERIES * SIZE // 2

    def follows(column: int, part: slice) -> float:
        return float(np.corrcoef(found[part], probe.features[part, column])[0, 1])

    for telling, other, part in ((BY_WORDS, BY_VECTORS, slice(None, half)), (BY_VECTORS, BY_WORDS, slice(half, None))):
        assert follows(telling, part) > 0.5
        assert abs(follows(other, part)) < 0.2


def test_the_curve_is_of_both() -> None:
    """The curve has its greatest value at the last tree of the joined model, above that of a single ranker."""
    fitted = fit_experts(rows(0), rows(1), RECIPE, 0, silent)
    assert fitted.tree_count == int(np.argmax(fitted.curve)) + 1
    assert fitted.text.count("\nTree=") == fitted.tree_count
    single = fit(rows(0), rows(1), RECIPE, 0, silent)
    assert max(fitted.curve) > max(single.curve)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_one_ranker_where_one_kind_is_rare(share: float) -> None:
    """With too few queries of one kind, one model is fitted on all queries."""
    train, held_out = rows(0, share), rows(1, share)
    assert fit_experts(train, held_out, RECIPE, 0, silent) == fit(train, held_out, RECIPE, 0, silent)


def test_both_kinds_must_be_held_out() -> None:
    """Without held-out queries of one kind, one model is fitted on all queries."""
    train, held_out = rows(0), rows(1, 1.0)
    assert fit_experts(train, held_out, RECIPE, 0, silent) == fit(train, held_out, RECIPE, 0, silent)


def test_contributions_are_those_of_the_side() -> None:
    """SHAP values sum up to the scores, and the feature of the root gets almost no credit."""
    fitted, probe = fit_experts(rows(0), rows(1), RECIPE, 0, silent), rows(2)
    found = exact_contributions(fitted.text, probe.features)
    assert np.allclose(found.sum(axis=1), scores(fitted.text, probe.features), atol=1e-9)
    assert np.abs(found[:, COLUMN]).max() < np.abs(found[:, BY_WORDS]).max() / 20
    single = fit(rows(0), rows(1), RECIPE, 0, silent).text
    plain = lightgbm.Booster(model_str=single).predict(probe.features, pred_contrib=True)
    assert np.array_equal(exact_contributions(single, probe.features), plain)
