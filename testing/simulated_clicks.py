"""Simulated users with known tastes and a known position bias, to test learning from feedback.

No public data set has slates, impressions and clicks, so learning from feedback is tested on users whose true tastes
are known. (``training.data.simulation`` simulates follows and trends for training on public likes instead.) This
module does not know the service. A driver, such as ``testing/feedback_loop.py``, writes the papers to a real server,
requests feeds, and passes them to the users.

The world
    A paper has a field, upvotes, and an age in days at the time of its digest. Every digest has new papers.
The users
    Each user has one field. The attraction of a paper to a user is known:

        GREATEST * (1 if the field is the user's, else OTHER_FIELD) * exp(-age / FRESH_DAYS)

    So users want new papers of their field. Upvotes do not matter to them.
The position bias
    A user looks at the paper at place k with probability k ** -exponent (``World.exponent``), whatever the paper. If
    so, the user clicks the paper with the probability of its attraction. One click in two is followed by a like one
    hour later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ranker.types import Float64Array
from testing.papers import TOPICS

FIELDS = {name: words for name, words in TOPICS.items() if name != "audio"}
"""Words of each field."""
GREATEST = 0.95
OTHER_FIELD = 0.3
FRESH_DAYS = 5.0
OLDEST_DAYS = 13
LIKE_SHARE = 0.5
_NAMES = tuple(FIELDS)


@dataclass(frozen=True)
class MadeUpPaper:
    """A paper and the truth about it.

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
    """A user and the field of interest."""

    user_id: str
    field: str

    def attraction(self, paper: MadeUpPaper) -> float:
        """Return the probability of a reaction to the paper if the user looks at it."""
        match = 1.0 if paper.field == self.field else OTHER_FIELD
        return GREATEST * match * float(np.exp(-paper.age_days / FRESH_DAYS))


@dataclass(frozen=True)
class Reaction:
    """A reaction of a user to the paper at a place.

    Attributes:
        place: From 0.
        kind: ``click`` or ``like``.
        delay_hours: Time after the slate was shown; sometimes days.
    """

    place: int
    kind: str
    delay_hours: float


class World:
    """A source of papers, users and reactions; the same seed and calls give the same world.

    Args:
        exponent: Of the position bias; with 0 users look at all places alike.
    """

    def __init__(self, *, seed: int, exponent: float = 1.0) -> None:
        self.exponent = exponent
        self._rng = np.random.default_rng(seed)

    def papers(self, prefix: str, count: int, field: str | None = None) -> list[MadeUpPaper]:
        """Return new papers, of random fields or of one."""
        return [self._paper(f"{prefix}-{number}", field) for number in range(count)]

    def users(self, count: int) -> list[MadeUpUser]:
        """Return users of all fields in turn."""
        return [MadeUpUser(f"reader-{number:05d}", _NAMES[number % len(_NAMES)]) for number in range(count)]

    def examination(self, count: int) -> Float64Array:
        """Return (count,) the probability that a user looks at each place, from the first."""
        return np.asarray(np.arange(1, count + 1) ** -self.exponent, dtype=np.float64)

    def reactions(self, user: MadeUpUser, shown: Sequence[MadeUpPaper]) -> list[Reaction]:
        """Return the reactions of the user to the papers in the order shown."""
        chances = self.examination(len(shown)) * [user.attraction(paper) for paper in shown]
        found: list[Reaction] = []
        for place in np.flatnonzero(self._rng.random(len(shown)) < chances).tolist():
            delay = float(self._rng.exponential(20.0))
            found.append(Reaction(place, "click", delay))
            if self._rng.random() < LIKE_SHARE:
                found.append(Reaction(place, "like", delay + 1.0))
        return found

    def value(self, user: MadeUpUser, shown: Sequence[MadeUpPaper]) -> float:
        """Return the expected number of papers that the user reacts to, the true value of the order."""
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
