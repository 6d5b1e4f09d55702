from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from ranker.features import SCHEMA
from ranker.types import Float32Array
from training.data.rows import Rows
from training.data.snapshot import LIKED
from training.progress import silent
from training.recipes import find_recipe
from training.trees.experts import GATE, GATE_TERMS, exact_contributions, fit_experts
from training.trees.fit import fit

RECIPE = replace(find_recipe("tiny"), tree_count=12, min_expert_queries=10)
COLUMN = SCHEMA.names.index(GATE)
BY_WORDS, BY_VECTORS = SCHEMA.names.index("text_mean"), SCHEMA.names.index("embedding_nearest")
QUERIES, SIZE = 60, 20


def rows(seed: int, abstract_share: float = 0.5) -> Rows:
    """Queries of which words tell what is relevant where the likes have abstracts, and vectors where they have not."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((QUERIES * SIZE, len(SCHEMA))).astype(np.float32)
    abstracts = np.repeat(np.arange(QUERIES) < abstract_share * QUERIES, SIZE)
    features[:, COLUMN] = np.log1p(np.where(abstracts, GATE_TERMS * 4, GATE_TERMS / 4))
    telling = np.where(abstracts, features[:, BY_WORDS], features[:, BY_VECTORS])
    return Rows(features, np.where(telling > 1, LIKED, 0), np.full(QUERIES, SIZE, np.int32))


def scores(text: str, features: Float32Array) -> Float32Array:
    """Of the rows."""
    return np.asarray(lightgbm.Booster(model_str=text).predict(features))


def test_each_kind_is_ranked_by_what_tells() -> None:
    """Scores follow words where likes have abstracts and vectors where not, which trees of one ranker cannot tell."""
    fitted = fit_experts(rows(0), rows(1), RECIPE, 0, silent)
    probe = rows(2)
    found, half = scores(fitted.text, probe.features), QUERIES * SIZE // 2

    def follows(column: int, part: slice) -> float:
        return float(np.corrcoef(found[part], probe.features[part, column])[0, 1])

    for telling, other, part in ((BY_WORDS, BY_VECTORS, slice(None, half)), (BY_VECTORS, BY_WORDS, slice(half, None))):
        assert follows(telling, part) > 0.5
        assert abs(follows(other, part)) < 0.2


def test_the_curve_is_of_both() -> None:
    """The curve has its greatest value at the last tree that either side keeps, and the model has so many trees."""
    fitted = fit_experts(rows(0), rows(1), RECIPE, 0, silent)
    assert fitted.tree_count == int(np.argmax(fitted.curve)) + 1
    assert fitted.text.count("\nTree=") == fitted.tree_count
    single = fit(rows(0), rows(1), RECIPE, 0, silent)
    assert max(fitted.curve) > max(single.curve)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_one_ranker_where_one_kind_is_rare(share: float) -> None:
    """With too few queries of either kind the model is that of all queries together."""
    train, held_out = rows(0, share), rows(1, share)
    assert fit_experts(train, held_out, RECIPE, 0, silent) == fit(train, held_out, RECIPE, 0, silent)


def test_both_kinds_must_be_held_out() -> None:
    """Where nothing tells when to stop on one side, there is one ranker."""
    train, held_out = rows(0), rows(1, 1.0)
    assert fit_experts(train, held_out, RECIPE, 0, silent) == fit(train, held_out, RECIPE, 0, silent)


def test_contributions_are_those_of_the_side() -> None:
    """SHAP values sum up to the scores, and the question at the root has none: it speaks for no candidate."""
    fitted, probe = fit_experts(rows(0), rows(1), RECIPE, 0, silent), rows(2)
    found = exact_contributions(fitted.text, probe.features)
    assert np.allclose(found.sum(axis=1), scores(fitted.text, probe.features), atol=1e-9)
    assert np.abs(found[:, COLUMN]).max() < np.abs(found[:, BY_WORDS]).max() / 20
    single = fit(rows(0), rows(1), RECIPE, 0, silent).text
    plain = lightgbm.Booster(model_str=single).predict(probe.features, pred_contrib=True)
    assert np.array_equal(exact_contributions(single, probe.features), plain)
