"""Fits a calibration on logged slates, corrected for places that users did not read."""

import numpy as np

from ranker.bundle.calibration import Calibration
from ranker.score import Model
from ranker.types import IndexArray
from training.calibration.fit import fit_calibration
from training.calibration.held_out import LEAST_LIKES
from training.calibration.measure import calibration_error, reliability
from training.data.snapshot import SAVED
from training.feedback.examination import Examination
from training.feedback.log import SlateLog

_LEARNED = "feedback"


def slate_calibration(log: SlateLog, model: Model, examination: Examination, users: IndexArray) -> Calibration | None:
    """Return the calibration of a model on the shown papers of some users; None if they liked or saved too few.

    By the position-based model (``training.feedback.examination``), the share of likes among papers that are read is
    the number of likes over the sum of the examination propensities. So the probability is that of a paper which the
    user reads. The error is that on the data of the fit.

    Args:
        users: Numbers of the users, whom the trees have not seen.
    """
    rows = np.flatnonzero(log.shown & np.isin(log.users[log.slates], users))
    liked = log.grades[rows] >= SAVED
    if liked.sum() < LEAST_LIKES:
        return None
    features, examined = log.features[rows], examination.examination_propensities(log.places[rows])
    scores = model.scores(features, model.leaves(features))
    found = fit_calibration(scores, liked, examined)
    bins = reliability(found.probabilities_of(scores), liked, examined)
    facts = {
        "digests": len(np.unique(log.slates[rows])),
        "users": len(np.unique(log.users[log.slates[rows]])),
        "likes": int(liked.sum()),
        "error": calibration_error(bins),
    }
    return Calibration(found.scores, found.probabilities, {"least_likes": LEAST_LIKES, "data": {_LEARNED: facts}})
