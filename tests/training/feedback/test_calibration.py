from dataclasses import replace

import numpy as np
import pytest

from ranker.bundle.bundle import Bundle
from testing.click_log import made_up_log
from testing.trials.rivals import rival
from training.data.snapshot import LIKED
from training.feedback.calibration import slate_calibration
from training.feedback.examination import Examination


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return rival(tmp_path_factory.mktemp("rivals") / "good", {"embedding_nearest": 3.0})


def test_hidden_places_are_made_up_for(bundle: Bundle) -> None:
    """With the true examination, the mean probability is that of the same users without position bias."""
    biased, plain = (
        replace(log, grades=np.where(log.grades > 0, LIKED, 0))
        for log in (made_up_log(exponent=1.0, user_count=120), made_up_log(exponent=0.0, user_count=120))
    )
    features = plain.features[plain.shown]
    scores = bundle.model.scores(features, bundle.model.leaves(features))

    found = slate_calibration(biased, bundle.model, Examination.given(1.0), np.unique(biased.users))
    uncorrected = slate_calibration(biased, bundle.model, Examination.given(0.0), np.unique(biased.users))

    assert found is not None
    assert uncorrected is not None
    truth = (plain.grades[plain.shown] > 0).mean()
    assert found.probabilities_of(scores).mean() == pytest.approx(truth, rel=0.15)
    assert uncorrected.probabilities_of(scores).mean() < 0.7 * truth
    assert found.facts["data"]["feedback"]["error"] < 0.03


def test_clicks_alone_give_no_calibration(bundle: Bundle) -> None:
    """Clicks are neither likes nor saves."""
    log = made_up_log(exponent=1.0)

    assert slate_calibration(log, bundle.model, Examination.given(1.0), np.unique(log.users)) is None
