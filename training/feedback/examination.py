"""How far down readers read: examination propensities, learned from explored slates.

The position-based model (Richardson, Dominowska and Ragno 2007; Joachims, Swaminathan and Schnabel 2017): a reader
reacts to a paper at place k with probability theta_k * alpha, where theta_k, the examination propensity, depends on
the place alone and alpha on reader and paper alone. Here theta_k = k ** -exponent, so that theta_1 is 1 and one
number is to be learned; free values for every place would take a hundred times the slates.

Let mu(k | h) be the probability that exploration puts a paper at place k whose place before was h (``ranker.explore``).
Given that the reader reacted to a paper, it stood at place k with probability

    mu(k | h) theta_k / sum over shown places k' of mu(k' | h) theta_k'

in which alpha has cancelled out: whatever the paper, however the ranker ranks. Maximising the product of these over all
reactions is a conditional logit in which log(mu) is an offset. It uses what intervention harvesting (Agarwal, Zaitsev,
Wang, Li, Najork and Joachims 2019) uses, without the variance of its inverse weights, and needs no model of relevance,
unlike regression EM (Wang, Golbandi, Bendersky, Metzler and Najork 2018), which blames on the place what its model of
relevance does not explain. Slates that were not explored say nothing here.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.explore import place_chances
from ranker.types import Float64Array, IndexArray
from training.errors import TrainingError
from training.feedback.log import SlateLog

EXPONENTS = np.round(np.arange(0, 3.0001, 0.025), 3)
"""Exponents considered; 0 is no position bias at all, 3 a reader who hardly sees the second place."""
LEAST_REACTIONS = 30
"""Reactions to papers at explored places below which nothing is claimed; the exponent is then known to about 0.3."""
SAMPLES = 1_000
_SEED = 20_190_211


@dataclass(frozen=True)
class Examination:
    """How reading falls off with the place.

    Attributes:
        exponent: theta_k = k ** -exponent; 0 for no position bias.
        low: Lower end of its 95 % bootstrap interval, resampling readers; equal to ``exponent`` where it was given.
        high: Upper end.
        reactions: To papers at explored places: what it was learned from; 0 where it was given.
    """

    exponent: float
    low: float
    high: float
    reactions: int

    @classmethod
    def given(cls, exponent: float) -> "Examination":
        """An exponent known from elsewhere."""
        return cls(exponent, exponent, exponent, 0)

    def examination_propensities(self, places: IndexArray) -> Float64Array:
        """theta_k of one-based places, in (0, 1]."""
        return np.asarray(np.asarray(places, dtype=np.float64) ** -self.exponent)


@dataclass(frozen=True)
class ExplorationGroup:
    """The slates of a log that have one length, share of exploration and depth, and so one distribution of places.

    Attributes:
        slates: Their numbers.
        chances: (length, depth) the probability of each shown place, by the place before.
    """

    slates: IndexArray
    chances: Float64Array

    @cached_property
    def depth(self) -> int:
        """Places shown."""
        return int(self.chances.shape[1])


def exploration_groups(log: SlateLog) -> list[ExplorationGroup]:
    """All slates of the log in groups."""
    keys = np.stack((log.lengths, log.depths, log.shares), axis=1)
    found, members = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(members, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(members.ravel(), minlength=len(found)))[:-1])
    return [
        ExplorationGroup(part, place_chances(int(length), float(share))[:, : int(depth)])
        for (length, depth, share), part in zip(found.tolist(), parts, strict=True)
    ]


def log_likelihoods(log: SlateLog, exponents: Float64Array) -> Float64Array:
    """(len(exponents), readers) the log-likelihood of each reader's reactions; rows of readers without any are 0."""
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
    """The exponent of greatest likelihood, with its interval.

    Raises:
        TrainingError: Too few reactions to explored papers to tell.
    """
    reactions = int((log.reacted & (log.places != log.places_before)).sum())
    if reactions < LEAST_REACTIONS:
        raise TrainingError(
            f"{reactions} reactions to papers at explored places are too few to tell how far down readers read; "
            f"{LEAST_REACTIONS} are needed: explore more (PAPERFEED_EXPLORATION), or say it by --position-bias"
        )
    likelihoods = log_likelihoods(log, EXPONENTS)
    weights = resamples(likelihoods.shape[1], SAMPLES)
    drawn = EXPONENTS[np.argmax(likelihoods @ weights.T, axis=0)]
    low, high = np.percentile(drawn[1:], (2.5, 97.5))
    return Examination(float(drawn[0]), float(low), float(high), reactions)


def resamples(user_count: int, samples: int) -> Float64Array:
    """(1 + samples, readers) how often each reader counts: once in the first row, in the others as drawn."""
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(user_count, np.full(user_count, 1 / user_count), size=samples)
    return np.concatenate((np.ones((1, user_count)), drawn))
