"""A little logged exploration: the last change to a slate's order, with the exact probability of each outcome.

With the chance ``share`` one place of the first ten is swapped with a paper from further down; else the list stays.
Let L be the length of the list, at most ``REACH``, and J the smaller of ``HEAD`` and L - 1. A place j is drawn from 1
to J, then a place q from j + 1 to L, both uniformly, and the papers at j and q change places. So for a paper whose
place before was h, the probability that the logging policy puts it at place k, over the draw and given everything else
(the reader, the candidates, the bundle), is

    k != h, min(h, k) <= J, max(h, k) <= L    share / (J (L - min(h, k)))
    k == h                                    1 less the sum of those
    otherwise                                 0

This marginal probability is the action propensity that a slate keeps of each paper at the place it got. It is of one
paper at one place; the papers of one slate do not move independently. Swapping single pairs to learn how much a place
is worth goes back to Joachims, Swaminathan and Schnabel 2017, section 5.1.

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
_ALWAYS = 1.0
_SAME = 1e-9


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
    length, heads = _extent(count)
    up = int(second * heads)
    down = up + 1 + int(third * (length - up - 1))
    order[[up, down]] = order[[down, up]]
    chances = staying.copy()
    chances[[up, down]] = _pair_chance(count, share, up)
    return Explored(order, chances, up)


@lru_cache(maxsize=1_024)
def stay_chances(count: int, share: float) -> Float64Array:
    """(count,) the probability that the paper of each place keeps it; read only."""
    staying = np.full(count, _ALWAYS)
    if count >= LEAST_PAPERS and share > 0:
        length, heads = _extent(count)
        leaving = np.array([_pair_chance(count, share, up) for up in range(heads)])
        staying[:heads] -= share / heads
        staying[1:length] -= np.cumsum(np.pad(leaving, (0, length - 1 - heads)))
    staying.flags.writeable = False
    return staying


def place_chances(count: int, share: float) -> Float64Array:
    """(count, count) the probability that the paper of each place before (row) is put at each place (column)."""
    chances = np.diag(stay_chances(count, share))
    if count >= LEAST_PAPERS and share > 0:
        length, heads = _extent(count)
        for up in range(heads):
            chances[up, up + 1 : length] = chances[up + 1 : length, up] = _pair_chance(count, share, up)
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
    # Whoever was not swapped stayed with a probability above one half, and the first place but for the share / heads.
    heads = _extent(count)[1]
    swapped = np.flatnonzero(action_propensities < 0.5).tolist()
    if len(swapped) not in {0, 2}:
        return None
    share = _share(action_propensities, swapped, count)
    expected = stay_chances(count, round(share, 12)).copy()
    if swapped:
        if swapped[0] >= heads:
            return None
        expected[swapped] = _pair_chance(count, share, swapped[0])
        order[swapped] = order[swapped[::-1]]
    if not 0 < share <= 1 + _SAME or np.abs(expected - action_propensities).max() > _SAME:
        return None
    return LoggedExploration(round(share, 12), order)


def _share(action_propensities: Float64Array, swapped: list[int], count: int) -> float:
    length, heads = _extent(count)
    if swapped:
        return float(action_propensities[swapped[0]]) * heads * (length - swapped[0] - 1)
    return float(1 - action_propensities[0]) * heads


def _extent(count: int) -> tuple[int, int]:
    """How many places take part, and how many of them from the top may be given away."""
    length = min(count, REACH)
    return length, min(HEAD, length - 1)


def _pair_chance(count: int, share: float, up: int) -> float:
    """The probability that the paper of the zero-based place ``up`` is swapped with that of one given place below."""
    length, heads = _extent(count)
    return share / (heads * (length - up - 1))
