"""Readers with known tastes and a known position bias, to prove the feedback loop on.

No public data set holds slates, impressions and clicks, so what is claimed of learning from feedback is proved on these
readers, whose truth is known. (``training.data.simulation`` is another thing: it makes up follows and crowds for training on
public likes.) Nothing here knows the service: a driver, such as ``testing/feedback_loop.py``, puts the papers into a real
server, asks it for feeds, and gives the readers what came back.

The world
    Papers have a field, an age in days at the time of the digest and upvotes. Every digest has new ones.
The readers
    Each has one field. How much a reader is drawn to a paper is known (``attraction``):

        GREATEST * (1 if the field is the reader's, else OTHER_FIELD) * exp(-age / FRESH_DAYS)

    They want what is new in their field; upvotes mean nothing to them.
The position bias
    The paper at place k is looked at with probability k ** -exponent (``World.exponent``), whatever stands there. A
    reader reacts to a paper that is looked at with the probability of its attraction: the reaction is a click, and one
    click in two becomes a like, hours later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ranker.types import Float64Array

FIELDS = {
    "vision": "image segmentation pixel camera depth convolution object detection scene render texture video",
    "language": "translation token grammar dialogue corpus syntax parsing summary vocabulary sentence prompt decoder",
    "graphs": "node edge spectral clustering adjacency walk community link motif subgraph isomorphism matching",
    "robots": "gripper locomotion torque actuator manipulation trajectory planner navigation odometry contact arm leg",
    "biology": "protein genome folding enzyme cell molecule sequence docking peptide mutation antibody tissue",
}
GREATEST = 0.95
OTHER_FIELD = 0.3
FRESH_DAYS = 5.0
OLDEST_DAYS = 13
LIKE_SHARE = 0.5
_NAMES = tuple(FIELDS)


@dataclass(frozen=True)
class MadeUpPaper:
    """A paper and all that is true of it.

    Attributes:
        age_days: At the time of its digest.
    """

    paper_id: str
    title: str
    abstract: str
    field: str
    age_days: float
    upvotes: int


@dataclass(frozen=True)
class MadeUpUser:
    """A reader and what is known of the taste."""

    user_id: str
    field: str

    def attraction(self, paper: MadeUpPaper) -> float:
        """Probability of a reaction to the paper once it is looked at."""
        match = 1.0 if paper.field == self.field else OTHER_FIELD
        return GREATEST * match * float(np.exp(-paper.age_days / FRESH_DAYS))


@dataclass(frozen=True)
class Reaction:
    """What a reader did with the paper at a place.

    Attributes:
        kind: ``click`` or ``like``.
        delay_hours: After the slate was shown; some come days later.
    """

    place: int
    kind: str
    delay_hours: float


class World:
    """Makes papers and lets readers react; the same seed and calls give the same world.

    Args:
        exponent: Of the position bias; 0 reads all places alike.
    """

    def __init__(self, *, seed: int, exponent: float = 1.0) -> None:
        self.exponent = exponent
        self._rng = np.random.default_rng(seed)

    def papers(self, prefix: str, count: int, field: str | None = None) -> list[MadeUpPaper]:
        """New papers of all fields, or of one."""
        return [self._paper(f"{prefix}-{number}", field) for number in range(count)]

    def users(self, count: int) -> list[MadeUpUser]:
        """Readers of all fields in turn."""
        return [MadeUpUser(f"reader-{number:05d}", _NAMES[number % len(_NAMES)]) for number in range(count)]

    def examination(self, count: int) -> Float64Array:
        """(count,) probability that each place, from the first, is looked at."""
        return np.asarray(np.arange(1, count + 1) ** -self.exponent, dtype=np.float64)

    def reactions(self, user: MadeUpUser, shown: Sequence[MadeUpPaper]) -> list[Reaction]:
        """What the reader does with the papers shown, in their order."""
        chances = self.examination(len(shown)) * [user.attraction(paper) for paper in shown]
        found: list[Reaction] = []
        for place in np.flatnonzero(self._rng.random(len(shown)) < chances).tolist():
            delay = float(self._rng.exponential(20.0))
            found.append(Reaction(place, "click", delay))
            if self._rng.random() < LIKE_SHARE:
                found.append(Reaction(place, "like", delay + 1.0))
        return found

    def value(self, user: MadeUpUser, shown: Sequence[MadeUpPaper]) -> float:
        """The truth that estimates are held against: expected number of papers reacted to."""
        return float(self.examination(len(shown)) @ np.array([user.attraction(paper) for paper in shown]))

    def _paper(self, paper_id: str, field: str | None) -> MadeUpPaper:
        own = field or _NAMES[int(self._rng.integers(len(_NAMES)))]
        words = FIELDS[own].split()
        start = int(self._rng.integers(len(words)))
        chosen = [words[(start + step) % len(words)] for step in range(8)]
        return MadeUpPaper(
            paper_id=paper_id,
            title=f"{' '.join(chosen[:4])} {paper_id}",
            abstract=" ".join(chosen * 2),
            field=own,
            age_days=float(self._rng.uniform(0, OLDEST_DAYS)),
            upvotes=int(self._rng.lognormal(2.0, 1.2)),
        )
