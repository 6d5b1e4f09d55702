"""Checks the probabilities of a bundle on digests that it was not trained on."""

import numpy as np

from ranker.bundle.bundle import Bundle
from training.calibration.digests import digest_queries
from training.calibration.held_out import LEAST_LIKES, ScoredDigests
from training.calibration.measure import Measured
from training.checks import Check, Outcome
from training.data.catalogs import DatasetPapers
from training.data.cross_fitting import NO_FOLD
from training.data.snapshot import Dataset
from training.gate.rules import CalibrationRules
from training.progress import Progress, silent

NAME = "calibration"


def measured_on(
    dataset: Dataset, bundle: Bundle, *, since: float, digests: int, seed: int = 0, progress: Progress = silent
) -> Measured | None:
    """Measure a bundle's calibration on digests drawn from weeks that begin at ``since`` (Unix seconds) or later.

    Returns:
        None if the bundle has no calibration.
    """
    if bundle.calibration is None:
        return None
    users = np.unique(dataset.likes.users).tolist()
    queries = digest_queries(dataset, users, limit=digests, rng=np.random.default_rng(seed), since=since)
    papers = DatasetPapers(dataset, bundle.spaces, {NO_FOLD: bundle.spaces.factor_map}, None)
    return ScoredDigests.of(papers, queries, bundle.model, progress).measured(bundle.calibration)


def calibration_check(
    dataset: Dataset, bundle: Bundle, rules: CalibrationRules, *, since: float, progress: Progress = silent
) -> Check:
    """Compare the calibration error over the first places of unseen digests with the greatest one accepted.

    Inconclusive if the bundle has no calibration, the data have no dates, or the digests have too few likes.
    """

    def inconclusive(reason: str) -> Check:
        return Check(NAME, Outcome.INCONCLUSIVE, reason, required=rules.required)

    if not dataset.dated:
        return inconclusive("the data have no dates, so there are no digests")
    measured = measured_on(dataset, bundle, since=since, digests=rules.digests, progress=progress)
    if measured is None:
        return inconclusive("the bundle has no calibration, so requests with min_probability are refused")
    if measured.likes < LEAST_LIKES:
        return inconclusive(
            f"{measured.likes} likes in {measured.digests} unseen digests are too few; {LEAST_LIKES} are needed"
        )
    words = (
        f"calibration error {measured.error:.4f} over all papers, {measured.shown_error:.4f} over the first places; "
        f"at most {rules.largest_error:g} is accepted"
    )
    is_good = max(measured.error, measured.shown_error) <= rules.largest_error
    return Check(NAME, Outcome.PASSED if is_good else Outcome.FAILED, words, measured.as_dict(), rules.required)
