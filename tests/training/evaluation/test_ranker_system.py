"""The trained ranker under evaluation: in each round its statistics are those of the visible papers."""

import numpy as np
import pytest

from ranker.bundle.bundle import Bundle
from ranker.features import SCHEMA
from ranker.types import Float64Array
from testing.ranker import bundle as made_up_bundle
from testing.training import DIM, MONDAY, WEEK
from tests.training.evaluation.builders import dated, week_round, with_paper
from training.data.snapshot import Dataset
from training.evaluation.corpus import anonymous
from training.evaluation.ranker_system import FEATURE_WEIGHTS, RankerSystem, feature_sum

ROUND = 5
WORDS = "genome genome protein cell"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle without a training run: its trees are fitted on random papers."""
    return made_up_bundle(tmp_path_factory.mktemp("ranker_system") / "bundle", dim=DIM)


def scores(bundle: Bundle, dataset: Dataset) -> Float64Array:
    """Return the scores of all queries of one round."""
    _, this = week_round(dataset, ROUND)
    score = RankerSystem(bundle, anonymous(dataset.papers)).open(this)
    return np.concatenate([score(query)["paperfeed"] for query in this.queries])


def test_a_later_paper_changes_no_score(bundle: Bundle) -> None:
    """A paper that is not visible yet changes no bit of any score."""
    _, this = week_round(dated(), ROUND)
    later = with_paper(dated(), this.as_of + WEEK, WORDS)
    assert np.array_equal(scores(bundle, dated()), scores(bundle, later))


def test_an_earlier_paper_counts(bundle: Bundle) -> None:
    """A visible paper that is no candidate is part of the statistics, so that it changes scores."""
    earlier = with_paper(dated(), MONDAY, WORDS)
    assert not np.array_equal(scores(bundle, dated()), scores(bundle, earlier))


def test_feature_sum() -> None:
    """The baseline without trees adds up weighted features; unknown values and all other features count as 0."""
    features = np.full((2, len(SCHEMA)), 7.0, dtype=np.float32)
    features[:, [SCHEMA.names.index(name) for name in FEATURE_WEIGHTS]] = [[1.0, 2.0, 4.0], [1.0, np.nan, 4.0]]
    found = feature_sum(features)
    assert found.tolist() == [1 + 2 + 0.5 * 4, 1 + 0.5 * 4]
