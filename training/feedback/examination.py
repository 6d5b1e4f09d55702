"""Estimates examination propensities, the probability that each place is read, from explored slates.

The position-based model (Richardson, Dominowska and Ragno 2007; Joachims, Swaminathan and Schnabel 2017): a user reacts
to a paper at place k with probability theta_k * alpha. The examination propensity theta_k depends on the place alone,
alpha on user and paper alone. Here theta_k = k ** -exponent, so that theta_1 is 1 and one number is to be learned; free
values for every place would need a hundred times as many slates.

Let mu(k | h) be the probability that exploration puts a paper at place k whose place before was h (``ranker.explore``).
Given that the user reacted to a paper, it stood at place k with probability

    mu(k | h) theta_k / sum over shown places k' of mu(k' | h) theta_k'

in which alpha has cancelled out, for every paper and every ranker. Maximising the product over all reactions is a
conditional logit with log(mu) as an offset. It uses the same information as intervention harvesting (Agarwal, Zaitsev,
Wang, Li, Najork and Joachims 2019), without the variance of inverse weights. Unlike regression EM (Wang, Golbandi,
Bendersky, Metzler and Najork 2018) it needs no model of relevance, whose errors would be attributed to the place.
Slates without exploration carry no information here.
"""

from dataclasses import dataclass

import numpy as np

from ranker.explore import place_chances
from ranker.types import Float64Array, IndexArray
from training.errors import TrainingError
from training.evaluation.intervals import Interval, resamples
from training.feedback.log import SlateLog

EXPONENTS = np.round(np.arange(0, 3.0001, 0.025), 3)
"""The exponents considered: 0 is no position bias; at 3 users hardly see the second place."""
LEAST_REACTIONS = 30
"""Least number of reactions to papers at explored places; the exponent is then known to about 0.3."""
SAMPLES = 1_000
SEED = 20_190_211


@dataclass(frozen=True)
class Examination:
    """The examination propensity by place, theta_k = k ** -exponent.

    Attributes:
        exponent: 0 for no position bias.
        low: Lower end of the 95 % bootstrap interval, which resamples users; ``exponent`` itself if it was given.
        high: Upper end.
        reactions: Number of reactions to papers at explored places; 0 if the exponent was given.
    """

    exponent: float
    low: float
    high: float
    reactions: int

    @classmethod
    def given(cls, exponent: float) -> "Examination":
        """Return an examination whose exponent is given, not estimated."""
        return cls(exponent, exponent, exponent, 0)

    def examination_propensities(self, places: IndexArray) -> Float64Array:
        """Return theta_k of one-based places, in (0, 1]."""
        return np.asarray(np.asarray(places, dtype=np.float64) ** -self.exponent)


@dataclass(frozen=True)
class ExplorationGroup:
    """The slates of a log with the same length, share of exploration and depth, and so the same distribution of places.

    Attributes:
        slates: The slates' numbers.
        chances: (length, depth) probability of each shown place, by the place before exploration.
    """

    slates: IndexArray
    chances: Float64Array

    @property
    def depth(self) -> int:
        """Number of places shown."""
        return int(self.chances.shape[1])


def exploration_groups(log: SlateLog) -> list[ExplorationGroup]:
    """Return all slates of the log in groups."""
    keys = np.stack((log.lengths, log.depths, log.shares), axis=1)
    found, members = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(members, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(members.ravel(), minlength=len(found)))[:-1])
    return [
        ExplorationGroup(part, place_chances(int(length), float(share))[:, : int(depth)])
        for (length, depth, share), part in zip(found.tolist(), parts, strict=True)
    ]


def log_likelihoods(log: SlateLog, exponents: Float64Array) -> Float64Array:
    """Return (len(exponents), users) log-likelihoods of each user's reactions; 0 for users without reactions."""
    out = np.zeros((len(exponents), int(log.users.max()) + 1))
    for group in exploration_groups(log):
        members = np.isin(log.slates, group.slates) & log.reacted & (log.places <= group.depth)
        thetas = np.arange(1, group.depth + 1)[:, None] ** -exponents[None, :]
        seen = group.chances @ thetas
        rows = np.flatnonzero(members)
        before, places = log.places_before[rows] - 1, log.places[rows] - 1
        values = np.log(thetas[places]) - np.log(seen[before])
        np.add.at(out.T, log.users[log.slates[rows]], values)
    return out


def estimate_examination(log: SlateLog) -> Examination:
    """Return the exponent of greatest likelihood, with its interval.

    Raises:
        TrainingError: There are too few reactions to papers at explored places.
    """
    reactions = int((log.reacted & (log.places != log.places_before)).sum())
    if reactions < LEAST_REACTIONS:
        raise TrainingError(
            f"{reactions} reactions to papers at explored places are too few to estimate the position bias; "
            f"{LEAST_REACTIONS} are needed: explore more (PAPERFEED_EXPLORATION), or give --position-bias"
        )
    likelihoods = log_likelihoods(log, EXPONENTS)
    weights = resamples(likelihoods.shape[1], SAMPLES, SEED)
    found = Interval.of(EXPONENTS[np.argmax(likelihoods @ weights.T, axis=0)])
    return Examination(found.mean, found.low, found.high, reactions)
