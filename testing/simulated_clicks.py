"""Simulates users with known tastes and a known position bias, to test learning from feedback.

No public data set holds slates, impressions and clicks, so claims about learning from feedback are tested on these
users, whose truth is known. (``training.data.simulation`` is something else: it simulates follows and likes of other
users for training on public likes.) Nothing here knows the service: a driver such as ``testing.feedback_loop`` puts the
papers into a real server, requests feeds, and shows them to the users.

Papers
    Papers have a field, an age in days at the time of the digest, and upvotes. Every digest has new papers.
Users
    Each user has one field. The attraction of a paper for a user is known:

        GREATEST * (1 if the field is the user's, else OTHER_FIELD) * exp(-age / FRESH_DAYS)

    Users want new papers of their field; upvotes do not matter to them.
Position bias
    A user looks at the paper at place k with probability k ** -exponent (``World.exponent``). The user then reacts with
    the probability of the attraction: the reaction is a click, and one click in two becomes a like, hours later.
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
    """A paper with its true properties.

    Attributes:
        age_days: Age at the time of the paper's digest.
    """

    paper_id: str
    title: str
    abstract: str
    field: str
    age_days: float
    upvotes: int


@dataclass(frozen=True)
class MadeUpUser:
    """A user with a known taste."""

    user_id: str
    field: str

    def attraction(self, paper: MadeUpPaper) -> float:
        """Return the probability of a reaction to the paper if the user looks at it."""
        match = 1.0 if paper.field == self.field else OTHER_FIELD
        return GREATEST * match * float(np.exp(-paper.age_days / FRESH_DAYS))


@dataclass(frozen=True)
class Reaction:
    """A reaction to the paper at a place.

    Attributes:
        place: Zero-based place in the slate.
        kind: ``click`` or ``like``.
        delay_hours: Time since the slate was shown; some reactions come days later.
    """

    place: int
    kind: str
    delay_hours: float


class World:
    """Makes papers, users and reactions; the same seed and calls give the same world.

    Args:
        exponent: Exponent of the position bias; at 0 users look at all places alike.
    """

    def __init__(self, *, seed: int, exponent: float = 1.0) -> None:
        self.exponent = exponent
        self._rng = np.random.default_rng(seed)

    def papers(self, prefix: str, count: int, field: str | None = None) -> list[MadeUpPaper]:
        """Return new papers of all fields, or of one."""
        return [self._paper(f"{prefix}-{number}", field) for number in range(count)]

    def users(self, count: int) -> list[MadeUpUser]:
        """Return users of all fields in turn."""
        return [MadeUpUser(f"reader-{number:05d}", _NAMES[number % len(_NAMES)]) for number in range(count)]

    def examination(self, count: int) -> Float64Array:
        """Return (count,) probabilities that a user looks at each place, from the first."""
        return np.asarray(np.arange(1, count + 1) ** -self.exponent, dtype=np.float64)

    def reactions(self, user: MadeUpUser, shown: Sequence[MadeUpPaper]) -> list[Reaction]:
        """Return the user's reactions to the papers shown, in their order."""
        chances = self.examination(len(shown)) * [user.attraction(paper) for paper in shown]
        found: list[Reaction] = []
        for place in np.flatnonzero(self._rng.random(len(shown)) < chances).tolist():
            delay = float(self._rng.exponential(20.0))
            found.append(Reaction(place, "click", delay))
            if self._rng.random() < LIKE_SHARE:
                found.append(Reaction(place, "like", delay + 1.0))
        return found

    def value(self, user: MadeUpUser, shown: Sequence[MadeUpPaper]) -> float:
        """Return the true value of a slate: the expected number of papers with a reaction."""
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
