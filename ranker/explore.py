"""Logged exploration: at most one swap of two papers in a slate, with the exact probability of each outcome.

Exploration is the last change to the order of a slate. With probability ``share`` two papers change places; otherwise
the list stays as it is. Places are numbered from 1. L is the length of the list, at most ``REACH``. J is the smaller
of ``HEAD`` and L - 1, and HEAD' is the smaller of ``HEAD`` and L. The swap is drawn as follows:

1. A place j is drawn uniformly from 1 to J.
2. A place q below j is drawn. With probability 1/2 it is drawn uniformly from j + 1 to HEAD'. These swaps measure how
   far down users read, at little cost to them. Otherwise it is drawn uniformly from HEAD' + 1 to L. These swaps show
   papers that users would never see. If one of the two ranges is empty, q is drawn from the other.
3. The papers at j and q change places.

So a paper at place h before exploration is at place k after it with this probability, where j = min(h, k) and
q = max(h, k):

    h != k, j <= J, q <= HEAD'       share / J / (HEAD' - j) / 2    without "/ 2" if the other range is empty
    h != k, j <= J, HEAD' < q <= L   share / J / (L - HEAD') / 2    without "/ 2" if the other range is empty
    h == k                           1 minus the sum of the above over all k != h
    otherwise                        0

The probability is taken over the draw, given the user, the candidates and the bundle. A slate stores it for each paper
at the place it got; it is the paper's action propensity. It is a marginal probability: the papers of one slate do not
move independently. The method of swapping single pairs is that of Joachims, Swaminathan and Schnabel 2017.

The seed alone decides the swap, so the same request always gets the same list.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ranker.types import Float64Array, IndexArray

HEAD = 10
"""Number of first places, one of which may go to a paper from further down."""
REACH = 50
"""Number of first places from which that paper may come. A paper from further down would cost the user too much."""
LEAST_PAPERS = 10
"""Length of the shortest list that is explored. Users see all of a shorter list anyway."""
_SAME = 1e-9
_SWAPPED_BELOW = 0.2
"""A lower propensity means that the paper was swapped.

In a list of ten or more papers each keeps its place with probability above 0.4, and no pair has probability above 0.12.
"""


@dataclass(frozen=True)
class Exploration:
    """The exploration that one list gets.

    Attributes:
        share: Probability of a swap, 0 to 1.
        seed: 32 bytes; see ``seed_of``.
    """

    share: float
    seed: bytes


@dataclass(frozen=True)
class Explored:
    """A list after exploration. All places are zero-based.

    Attributes:
        order: (n,) for each place after exploration, the place before of the paper that is there.
        action_propensities: (n,) float64 action propensity of the paper at each place; read-only.
        place: Place of the paper that moved up; None if no papers were swapped.
    """

    order: IndexArray
    action_propensities: Float64Array
    place: int | None


def seed_of(user_id: str, digest_id: str, bundle_version: str, as_of: dt.datetime) -> bytes:
    """Return the seed of one list; equal requests get equal seeds in any process on any machine."""
    moment = as_of.astimezone(dt.UTC).isoformat()
    return hashlib.sha256(f"explore\x1f{user_id}\x1f{digest_id}\x1f{bundle_version}\x1f{moment}".encode()).digest()


def explore(count: int, exploration: Exploration | None) -> Explored:
    """Return how to show a list of ``count`` papers; without exploration, or with a share of 0, it stays as it is."""
    order = np.arange(count)
    share = exploration.share if exploration else 0.0
    staying = stay_chances(count, share)
    if exploration is None or share <= 0 or count < LEAST_PAPERS:
        return Explored(order, staying, None)
    # Three numbers in [0, 1) of 64 bits each.
    first, second, third = (int.from_bytes(exploration.seed[i : i + 8], "big") / 2**64 for i in (0, 8, 16))
    if first >= share:
        return Explored(order, staying, None)
    pairs = _pair_chances(count)
    up = int(second * len(pairs))
    # The cumulative probabilities of the places below select one of them.
    below = np.cumsum(pairs[up])
    down = int(np.searchsorted(below, third * below[-1], side="right"))
    order[[up, down]] = order[[down, up]]
    chances = staying.copy()
    chances[[up, down]] = share * pairs[up, down]
    return Explored(order, chances, up)


@lru_cache(maxsize=1_024)
def stay_chances(count: int, share: float) -> Float64Array:
    """Return the probability that the paper at each place stays there; (count,), read-only."""
    staying = np.ones(count)
    if count >= LEAST_PAPERS and share > 0:
        pairs = share * _pair_chances(count)
        staying[: len(pairs)] -= pairs.sum(axis=1)
        staying[: pairs.shape[1]] -= pairs.sum(axis=0)
    staying.flags.writeable = False
    return staying


def place_chances(count: int, share: float) -> Float64Array:
    """Return the probability that the paper at each place (row) moves to each place (column); (count, count)."""
    chances = np.diag(stay_chances(count, share))
    if count >= LEAST_PAPERS and share > 0:
        pairs = share * _pair_chances(count)
        heads, length = pairs.shape
        chances[:heads, :length] += pairs
        chances[:length, :heads] += pairs.T
    return chances


@dataclass(frozen=True)
class LoggedExploration:
    """The exploration of a stored list, derived from its action propensities.

    Attributes:
        share: Probability of a swap, 0 to 1.
        places_before: (n,) for each place, zero-based, the place before of the paper that is there.
    """

    share: float
    places_before: IndexArray


def read_exploration(action_propensities: Float64Array) -> LoggedExploration | None:
    """Derive the exploration of a list from the action propensities of its papers in the order shown.

    Returns:
        None if ``explore`` of this version gives these propensities for no share and pair.
    """
    count = len(action_propensities)
    order = np.arange(count)
    if np.array_equal(action_propensities, np.ones(count)):
        return LoggedExploration(0.0, order)
    if count < LEAST_PAPERS:
        return None
    swapped = np.flatnonzero(action_propensities < _SWAPPED_BELOW).tolist()
    pairs = _pair_chances(count)
    if len(swapped) not in {0, 2} or (swapped and (swapped[0] >= len(pairs) or swapped[1] >= pairs.shape[1])):
        return None
    if swapped:
        share = float(action_propensities[swapped[0]] / pairs[tuple(swapped)])
    else:
        share = float((1 - action_propensities[0]) / pairs[0].sum())
    expected = stay_chances(count, round(share, 12)).copy()
    if swapped:
        expected[swapped] = share * pairs[tuple(swapped)]
        order[swapped] = order[swapped[::-1]]
    if not 0 < share <= 1 + _SAME or np.abs(expected - action_propensities).max() > _SAME:
        return None
    return LoggedExploration(round(share, 12), order)


@lru_cache(maxsize=1_024)
def _pair_chances(count: int) -> Float64Array:
    """Return the probability of each pair of zero-based places, upper and lower, given a swap; (J, L), read-only."""
    length = min(count, REACH)
    near, heads = min(HEAD, length), min(HEAD, length - 1)
    chances = np.zeros((heads, length))
    for up in range(heads):
        parts = [part for part in (slice(up + 1, near), slice(near, length)) if part.start < part.stop]
        for part in parts:
            chances[up, part] = 1 / heads / len(parts) / (part.stop - part.start)
    chances.flags.writeable = False
    return chances
