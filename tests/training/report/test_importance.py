import numpy as np

from ranker.features import SCHEMA
from training import TrainingReport
from training.report.importance import importances


def test_importances(report: TrainingReport) -> None:
    """Shares sum to 1, and the gain of a family is the sum of its features' gains."""
    held_out = [used.held_out.features for used in report.account.data]
    by_feature, by_family = importances(report.account.fitted.model, held_out)
    for found in (by_feature, by_family):
        assert np.allclose([found.gain.sum(), found.shap.sum()], 1)
        assert (found.gain >= 0).all()
        assert (found.shap >= 0).all()
    sums = [by_feature.gain[SCHEMA.columns_of(family)].sum() for family in by_family.names]
    assert np.allclose(sums, by_family.gain)
