"""A little logged exploration: the last change to a slate's order, with the exact probability of each outcome.

With the chance ``share`` one place of the first ten is swapped with a paper from further down; else the list stays.
Let L be the length of the list, at most ``REACH``, and J the smaller of ``HEAD`` and L - 1. A place j is drawn from 1
to J, uniformly. Then a place q below it: one time in two among the rest of the first ten, which tells how far down
readers read at little cost to them, else among the places after those, which shows papers that would never be seen; all
of it among one of these where the other is empty; uniformly within each. The papers at j and q change places. So for a
paper whose place before was h, the probability that the logging policy puts it at place k, over the draw and given
everything else (the reader, the candidates, the bundle), is with j = min(h, k) and q = max(h, k)

    h != k, j <= J, q <= HEAD        share / J / (HEAD' - j) / 2    HEAD' being the smaller of HEAD and L;
    h != k, j <= J, HEAD < q <= L    share / J / (L - HEAD') / 2    without the halves where the other row is empty
    h == k                           1 less the sum of those
    otherwise                        0

This marginal probability is the action propensity that a slate keeps of each paper at the place it got. It is of one
paper at one place; the papers of one slate do not move independently. Swapping single pairs to learn how much a place
is worth goes back to Joachims, Swaminathan and Schnabel 2017.

Which pair is drawn follows from the seed alone, so the same request always gets the same list.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ranker.types import Float64Array, IndexArray

HEAD = 10
"""Places, from the top, one of which may be given to a paper from further down."""
REACH = 50
"""Places, from the top, from which that paper comes: further down the cost to the reader outweighs what is learned."""
LEAST_PAPERS = 10
"""Shorter lists stay as they are: all of it is seen anyway."""
_SAME = 1e-9
_SWAPPED_BELOW = 0.2
"""Of ten or more papers each keeps its place with a probability above 0.4, and no pair is drawn with one above 0.12."""


@dataclass(frozen=True)
class Exploration:
    """How to explore one list.

    Attributes:
        share: 0 to 1, the chance that a pair is swapped.
        seed: 32 bytes; see ``seed_of``.
    """

    share: float
    seed: bytes


@dataclass(frozen=True)
class Explored:
    """A list after exploration.

    Attributes:
        order: (n,) for each place, zero-based, the zero-based place before of the paper that is there now.
        action_propensities: (n,) float64, of each paper at the place it has now; read only.
        place: Zero-based place of the paper that exploration moved up; None where the list stayed.
    """

    order: IndexArray
    action_propensities: Float64Array
    place: int | None


def seed_of(user_id: str, digest_id: str, bundle_version: str, as_of: dt.datetime) -> bytes:
    """The seed of one reader's list: equal requests explore alike, on any process and machine."""
    moment = as_of.astimezone(dt.UTC).isoformat()
    return hashlib.sha256(f"explore\x1f{user_id}\x1f{digest_id}\x1f{bundle_version}\x1f{moment}".encode()).digest()


def explore(count: int, exploration: Exploration | None) -> Explored:
    """How a list of ``count`` papers is to be shown; None, or a share of 0, leaves it as it is."""
    order = np.arange(count)
    share = exploration.share if exploration else 0.0
    staying = stay_chances(count, share)
    if exploration is None or share <= 0 or count < LEAST_PAPERS:
        return Explored(order, staying, None)
    # Three numbers in [0, 1), of 64 bits each.
    first, second, third = (int.from_bytes(exploration.seed[i : i + 8], "big") / 2**64 for i in (0, 8, 16))
    if first >= share:
        return Explored(order, staying, None)
    pairs = _pair_chances(count)
    up = int(second * len(pairs))
    # Every place below is as likely as its part of this place's chances.
    below = np.cumsum(pairs[up])
    down = int(np.searchsorted(below, third * below[-1], side="right"))
    order[[up, down]] = order[[down, up]]
    chances = staying.copy()
    chances[[up, down]] = share * pairs[up, down]
    return Explored(order, chances, up)


@lru_cache(maxsize=1_024)
def stay_chances(count: int, share: float) -> Float64Array:
    """(count,) the probability that the paper of each place keeps it; read only."""
    staying = np.ones(count)
    if count >= LEAST_PAPERS and share > 0:
        pairs = share * _pair_chances(count)
        staying[: len(pairs)] -= pairs.sum(axis=1)
        staying[: pairs.shape[1]] -= pairs.sum(axis=0)
    staying.flags.writeable = False
    return staying


def place_chances(count: int, share: float) -> Float64Array:
    """(count, count) the probability that the paper of each place before (row) is put at each place (column)."""
    chances = np.diag(stay_chances(count, share))
    if count >= LEAST_PAPERS and share > 0:
        pairs = share * _pair_chances(count)
        heads, length = pairs.shape
        chances[:heads, :length] += pairs
        chances[:length, :heads] += pairs.T
    return chances


@dataclass(frozen=True)
class LoggedExploration:
    """What the action propensities of a stored list tell.

    Attributes:
        share: As in ``Exploration``.
        places_before: (n,) for each place, zero-based, the place before of the paper that is there.
    """

    share: float
    places_before: IndexArray


def read_exploration(action_propensities: Float64Array) -> LoggedExploration | None:
    """What was done to a list, from the action propensities of its papers in the order shown.

    Returns:
        None where they are not what ``explore`` of this version gives for any share and pair.
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
    """(J, L) the probability that the papers of two zero-based places, the upper one first, are drawn; read only."""
    length = min(count, REACH)
    near, heads = min(HEAD, length), min(HEAD, length - 1)
    chances = np.zeros((heads, length))
    for up in range(heads):
        parts = [part for part in (slice(up + 1, near), slice(near, length)) if part.start < part.stop]
        for part in parts:
            chances[up, part] = 1 / heads / len(parts) / (part.stop - part.start)
    chances.flags.writeable = False
    return chances
