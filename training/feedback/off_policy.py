"""Off-policy evaluation: estimates, with intervals, what a bundle would have earned on logged slates.

The value of a policy is the expected number of papers of a slate that the user likes, saves or clicks, over the places
that were shown. The target policy is a bundle that orders the papers of each logged slate by its score, without
diversification and exploration, and shows as many places as were shown.

The model is that of ``training.feedback.examination``: a user reacts to a paper at place k with probability theta_k *
alpha, independently of the papers around it, and the number of shown places does not depend on their order. The slate
estimators then reduce to sums over papers (Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen 2018, the PBM
estimator). A paper whose place was h before exploration and is t under the target policy has the weight

    w = theta_t / sum over shown places k of mu(k | h) theta_k

the examination under the target policy over the mean examination under the logging policy. The probabilities mu are
those of ``ranker.explore``; theta_t is 0 if t is not shown. With c the reaction (0 or 1) to a paper shown at place k:

    IPS     mean over slates of   sum w c
    SNIPS   (sum w c / sum w theta_k) * mean of sum theta_t, the first two sums over all slates: sum w theta_k estimates
            sum theta_t, which is known (Swaminathan and Joachims 2015)
    DR      mean over slates of   sum theta_t a + sum w (c - theta_k a), where a estimates alpha by a regression on the
            features that is fitted on other users (Dudik, Langford and Li 2011; for slates Kiyohara, Saito, Matsuhiro,
            Narita, Shimizu and Yamamoto 2022)

A paper that exploration could never have shown has no weight. The examination that the target policy gives to such
papers is reported as ``unsupported_share``; IPS and SNIPS lack it, while DR uses the regression. Intervals are 95 %
bootstrap intervals that resample users and estimate the examination propensities of each resample.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np

from ranker.types import Float64Array, IndexArray
from training.errors import EvaluationError
from training.evaluation.intervals import Interval, resamples
from training.feedback.examination import (
    EXPONENTS,
    SAMPLES,
    SEED,
    Examination,
    ExplorationGroup,
    exploration_groups,
    log_likelihoods,
)
from training.feedback.log import SlateLog

_FOLDS = 2
_REGRESSION = {
    "objective": "regression",
    "num_leaves": 7,
    "learning_rate": 0.1,
    "min_data_in_leaf": 50,
    "lambda_l2": 1.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
_TREES = 60


@dataclass(frozen=True)
class Estimates:
    """The estimated value of a policy.

    Attributes:
        values: ``ips``, ``snips`` and ``dr`` of the target policy, and ``served``, the value of the logged slates; in
            reactions per slate.
        differences: Each estimate minus ``served``, paired.
        unsupported_share: 0 to 1, share of the target policy's examination that goes to papers that could not have been
            shown.
        effective_slates: Number of equally weighted slates with the same information (Kish 1965).
        greatest_weight: Greatest weight of a shown paper.
    """

    values: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    examination: Examination
    slates: int
    users: int
    reactions: int
    unsupported_share: float
    effective_slates: float
    greatest_weight: float


def estimate_value(log: SlateLog, scores: Float64Array, examination: Examination) -> Estimates:
    """Estimate the value of the policy that orders each slate by falling score.

    Args:
        log: Slates with all their papers, also those that were not shown.
        scores: (n,) scores of all papers, comparable within a slate.

    Raises:
        EvaluationError: There is only one user, so there is no interval.
    """
    sums, found, here = _drawn(log, scores, examination)
    return Estimates(
        values={name: Interval.of(drawn) for name, drawn in found.items()},
        differences={name: Interval.of(drawn - found["served"]) for name, drawn in found.items() if name != "served"},
        examination=examination,
        slates=len(log),
        users=log.user_count,
        reactions=int(log.reacted.sum()),
        unsupported_share=float(sums.unsupported[here].sum() / sums.wanted[here].sum()),
        effective_slates=len(log) * sums.effective_share(here),
        greatest_weight=float(sums.greatest[here]),
    )


def estimate_difference(
    log: SlateLog, scores: Float64Array, others: Float64Array, examination: Examination
) -> Mapping[str, Interval]:
    """Estimate by how much the value of one policy exceeds that of another: ``ips``, ``snips`` and ``dr``, paired.

    Args:
        scores: As in ``estimate_value``.
        others: The scores of the other policy.

    Raises:
        EvaluationError: There is only one user, so there is no interval.
    """
    (_, ours, _), (_, theirs, _) = (_drawn(log, each, examination) for each in (scores, others))
    return {name: Interval.of(ours[name] - theirs[name]) for name in ours if name != "served"}


def _drawn(
    log: SlateLog, scores: Float64Array, examination: Examination
) -> tuple["_Sums", dict[str, Float64Array], int]:
    """Return the sums, the (1 + samples,) values of each estimator, and the number of the exponent of all the data.

    All policies share the resamples.
    """
    if log.user_count < 2:
        raise EvaluationError("all slates are of one user: intervals resample users, so there must be two or more")
    targets = target_places(log, scores)
    is_given = examination.low == examination.high and not examination.reactions
    exponents = np.array([examination.exponent]) if is_given else EXPONENTS
    attraction = fitted_attraction(log, examination)
    sums = _Sums(len(exponents), log.user_count)
    for group in exploration_groups(log):
        sums.add(log, group, targets, attraction, exponents)
    weights = resamples(log.user_count, SAMPLES, SEED)
    chosen = np.zeros(len(weights), dtype=np.intp)
    if not is_given:
        chosen = np.argmax(log_likelihoods(log, exponents) @ weights.T, axis=0)
    return sums, sums.estimates(weights, chosen), int(chosen[0])


def target_places(log: SlateLog, scores: Float64Array) -> IndexArray:
    """Return the (n,) one-based places of the papers when each slate is ordered by falling score.

    Ties keep the order before exploration, not the order shown: a policy must not know the draws of exploration.
    """
    order = np.lexsort((log.places_before, -scores, log.slates))
    starts = np.searchsorted(log.slates, np.arange(len(log)))
    targets = np.empty(len(order), dtype=np.intp)
    targets[order] = np.arange(len(order)) - starts[log.slates[order]] + 1
    return targets


def fitted_attraction(log: SlateLog, examination: Examination) -> Float64Array:
    """Return the (n,) alpha of each paper, 0 to 1, by a regression on features, fitted on the other half of the users.

    Least squares of c against theta_k alpha equals that of c / theta_k against alpha with weight theta_k squared.
    """
    half = np.random.default_rng(0).permutation(int(log.users.max()) + 1) % _FOLDS
    folds = half[log.users[log.slates]]
    theta = examination.examination_propensities(log.places)
    out = np.zeros(len(log.slates))
    for fold in range(_FOLDS):
        learn = log.shown & (folds != fold)
        if learn.any() and (folds == fold).any():
            data = lightgbm.Dataset(
                log.features[learn], log.reacted[learn] / theta[learn], weight=theta[learn] ** 2, free_raw_data=True
            )
            booster = lightgbm.train(_REGRESSION, data, _TREES)
            out[folds == fold] = np.asarray(booster.predict(log.features[folds == fold], num_threads=1))
    return np.clip(out, 0.0, 1.0)


class _Sums:
    """Sums by exponent and user, from which every resample is a matrix product."""

    def __init__(self, exponent_count: int, user_count: int) -> None:
        shape = (exponent_count, user_count)
        self.slates = np.zeros(user_count)
        self.served = np.zeros(user_count)
        self.ips, self.norm, self.wanted, self.dr, self.unsupported = (np.zeros(shape) for _ in range(5))
        self.weights, self.squares, self.greatest = (np.zeros(exponent_count) for _ in range(3))
        self.count = 0

    def add(
        self,
        log: SlateLog,
        group: ExplorationGroup,
        targets: IndexArray,
        attraction: Float64Array,
        exponents: Float64Array,
    ) -> None:
        """Add the slates of a group."""
        rows = np.flatnonzero(np.isin(log.slates, group.slates))
        thetas = np.arange(1, group.depth + 1)[:, None] ** -exponents[None, :]
        # (papers of the slate, exponents): mean examination under the logging policy, by the place before exploration.
        given = group.chances @ thetas
        is_shown = rows[log.places[rows] <= group.depth]
        is_wanted = rows[targets[rows] <= group.depth]
        before = given[log.places_before[is_shown] - 1]
        wanted_there = np.where((targets[is_shown] <= group.depth)[:, None], _at(thetas, targets[is_shown]), 0.0)
        weight = wanted_there / before
        reacted, theta = log.reacted[is_shown][:, None], thetas[log.places[is_shown] - 1]
        shown_users = log.users[log.slates[is_shown]]
        np.add.at(self.ips.T, shown_users, weight * reacted)
        np.add.at(self.norm.T, shown_users, weight * theta)
        np.add.at(self.dr.T, shown_users, weight * (reacted - theta * attraction[is_shown][:, None]))
        wanted, wanted_users = _at(thetas, targets[is_wanted]), log.users[log.slates[is_wanted]]
        np.add.at(self.wanted.T, wanted_users, wanted)
        np.add.at(self.dr.T, wanted_users, wanted * attraction[is_wanted][:, None])
        np.add.at(self.unsupported.T, wanted_users, wanted * (given[log.places_before[is_wanted] - 1] <= 0))
        np.add.at(self.served, shown_users, log.reacted[is_shown])
        np.add.at(self.slates, log.users[group.slates], 1)
        self.weights += weight.sum(axis=0)
        self.squares += (weight**2).sum(axis=0)
        self.greatest = np.maximum(self.greatest, weight.max(axis=0))
        self.count += len(is_shown)

    def effective_share(self, exponent: int) -> float:
        """Return the share, 0 to 1, of equally weighted shown papers with the same information."""
        squares = float(self.squares[exponent]) * self.count
        return float(self.weights[exponent]) ** 2 / squares if squares else 0.0

    def estimates(self, weights: Float64Array, chosen: IndexArray) -> dict[str, Float64Array]:
        """Return (resamples,) values of each estimator.

        Args:
            weights: (resamples, users) counts of each user.
            chosen: (resamples,) number of the exponent in each resample.
        """
        slates = weights @ self.slates

        def total(sums: Float64Array) -> Float64Array:
            return np.asarray((sums[chosen] * weights).sum(axis=1))

        return {
            "ips": total(self.ips) / slates,
            "snips": _share(total(self.ips), total(self.norm)) * total(self.wanted) / slates,
            "dr": total(self.dr) / slates,
            "served": weights @ self.served / slates,
        }


def _at(thetas: Float64Array, places: IndexArray) -> Float64Array:
    """Return (papers, exponents) propensities of one-based places; places not shown get that of the last one."""
    return np.asarray(thetas[np.minimum(places, len(thetas)) - 1])


def _share(part: Float64Array, whole: Float64Array) -> Float64Array:
    """Return part / whole; 0 where the target policy shows none of the shown papers."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
