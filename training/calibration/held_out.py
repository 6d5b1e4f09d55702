"""Fits the calibration of a bundle on digests of held-out users, and measures it on users that it was not fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ranker.bundle.calibration import Calibration
from ranker.score import Model
from ranker.types import BoolArray, Float64Array, IndexArray, Int32Array
from training.calibration.digests import digest_queries
from training.calibration.fit import fit_calibration
from training.calibration.measure import Measured, measure
from training.data.catalogs import DatasetPapers
from training.data.query_groups import Query
from training.data.rows import feature_rows
from training.preparation import Prepared
from training.progress import Progress, silent

LEAST_LIKES = 100
"""Least number of likes that a calibration is fitted on; a rate is then known to about a tenth of itself."""
_DIGESTS_AT_A_TIME = 200
_STREAM = 27
"""Keeps the random numbers of the calibration apart from those of the training."""


@dataclass(frozen=True)
class ScoredDigests:
    """Digests as a model scores them; the papers of a digest stand together.

    Attributes:
        scores: (n,) scores.
        liked: (n,) whether the user liked or saved each paper.
        group_sizes: (digests,) number of papers.
        users: (digests,) user of each digest.
    """

    scores: Float64Array
    liked: BoolArray
    group_sizes: Int32Array
    users: IndexArray

    @classmethod
    def of(
        cls, papers: DatasetPapers, queries: Sequence[Query], model: Model, progress: Progress = silent
    ) -> "ScoredDigests":
        """Score the candidates of queries whose relevant papers were liked or saved."""
        rng = np.random.default_rng(0)
        scores = [np.empty(0)]
        # The features of all digests together would take hundreds of megabytes.
        for start in range(0, len(queries), _DIGESTS_AT_A_TIME):
            progress("calibration", start, len(queries))
            part = [(papers, query) for query in queries[start : start + _DIGESTS_AT_A_TIME]]
            features = feature_rows(part, None, rng, silent).features
            scores.append(model.scores(features, model.leaves(features)))
        progress("calibration", len(queries), len(queries))
        return cls(
            np.concatenate(scores),
            np.concatenate([np.empty(0, dtype=np.bool_), *(query.relevant for query in queries)]),
            np.array([len(query.candidates) for query in queries], dtype=np.int32),
            np.array([query.user for query in queries], dtype=np.intp),
        )

    def where(self, kept: BoolArray) -> "ScoredDigests":
        """Return the digests where ``kept`` (digests,) is true."""
        papers = np.repeat(kept, self.group_sizes)
        return ScoredDigests(self.scores[papers], self.liked[papers], self.group_sizes[kept], self.users[kept])

    def measured(self, calibration: Calibration) -> Measured:
        """Measure the calibration on these digests."""
        return self.measured_as(calibration.probabilities_of(self.scores))

    def measured_as(self, probabilities: Float64Array) -> Measured:
        """Measure (n,) probabilities of the papers."""
        return measure(probabilities, self.liked, self.group_sizes, len(np.unique(self.users)), self.scores)

    @classmethod
    def joined(cls, parts: Sequence["ScoredDigests"]) -> "ScoredDigests":
        """Return the digests of several data sets; users of different data sets get different numbers."""
        shifts = np.cumsum([0, *(int(part.users.max(initial=-1)) + 1 for part in parts)])
        return cls(
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.liked for part in parts]),
            np.concatenate([part.group_sizes for part in parts]),
            np.concatenate([part.users + shift for part, shift in zip(parts, shifts, strict=False)]),
        )


@dataclass(frozen=True)
class Calibrated:
    """The calibration of a training run.

    Attributes:
        calibration: None if there are too few likes.
        problem: Why there is no calibration; empty if there is one.
        measured: By data set, the quality on users that a half of the calibration was not fitted on.
    """

    calibration: Calibration | None
    problem: str = ""
    measured: Mapping[str, Measured] = field(default_factory=dict)


NOT_CALIBRATED = Calibrated(None, "none was fitted")


def calibrated(prepared: Prepared, model: Model, progress: Progress = silent) -> Calibrated:
    """Fit and measure the calibration on digests of the users held out in training; deterministic in its arguments.

    Only dated data have digests: in queries on other data, the share of liked papers is a choice of ours.
    """
    rng = np.random.default_rng([prepared.seed, _STREAM])
    found = {}
    for row, (dataset, papers) in enumerate(zip(prepared.datasets, prepared.papers(), strict=True)):
        if not dataset.dated or dataset.name in prepared.lone_users:
            continue
        users = {query.user for query in prepared.held_out[row]}
        drawn = digest_queries(dataset, users, limit=prepared.recipe.calibration_digests, rng=rng)
        folded = [replace(query, fold=prepared.folds[row].of_week(query.week)) for query in drawn]
        found[dataset.name] = ScoredDigests.of(papers, folded, model, progress)
    return calibrate(found, rng)


def calibrate(digests: Mapping[str, ScoredDigests], rng: np.random.Generator) -> Calibrated:
    """Fit a calibration on the digests of all data sets, and measure it by cross-fitting.

    The users are cut into two halves. The digests of each half are measured with a calibration that was fitted on the
    other half.
    """
    if not digests:
        return Calibrated(None, "no data set has dates, so there are no digests to calibrate on")
    whole = ScoredDigests.joined(list(digests.values()))
    likes = int(whole.liked.sum())
    if likes < LEAST_LIKES:
        return Calibrated(
            None,
            f"{likes} likes in {len(whole.users)} digests of held-out users are too few; {LEAST_LIKES} are needed",
        )
    users = np.unique(whole.users)
    is_first = np.isin(whole.users, rng.permutation(users)[: len(users) // 2])
    probabilities = np.empty(len(whole.scores))
    for half in (is_first, ~is_first):
        fitted_on, papers = whole.where(~half), np.repeat(half, whole.group_sizes)
        other = fit_calibration(fitted_on.scores, fitted_on.liked)
        probabilities[papers] = other.probabilities_of(whole.scores[papers])
    bounds = np.cumsum([len(part.scores) for part in digests.values()])
    parts = np.split(probabilities, bounds[:-1])
    measured = {name: part.measured_as(each) for (name, part), each in zip(digests.items(), parts, strict=True)}
    facts = {"least_likes": LEAST_LIKES, "data": {name: _facts(each) for name, each in measured.items()}}
    return Calibrated(fit_calibration(whole.scores, whole.liked, facts=facts), "", measured)


def _facts(measured: Measured) -> dict[str, Any]:
    return {name: getattr(measured, name) for name in ("digests", "users", "likes", "error", "shown_error")}
