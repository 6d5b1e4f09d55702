"""Simulated clicks of users in a canary, fast enough for hundreds of canaries: numbers only, no papers and no server.

A slate has ten papers. The user looks at place k with probability 1 / k, and reacts to a paper that is looked at with
the probability of its attraction, which depends on the user's taste, the place (a ranker puts better papers first) and
the bundle. Users differ much in taste and in how often they come.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from training.judgement.trial import Served, Trial

PLACES = 10
EXPONENT = 1.0
MEAN_ATTRACTION = 0.3


@dataclass(frozen=True)
class SimulatedCanary:
    """A canary of known gain.

    Attributes:
        gain: Relative gain in attraction of the canary's papers; 0 for an equal bundle, negative for a worse one.
        worse_order: Whether the canary shows the same papers in the opposite order.
        share: Share of the users that gets the canary.
        days_before: Days on which all users got the serving bundle.
    """

    gain: float
    worse_order: bool = False
    user_count: int = 1_000
    share: float = 0.3
    days: int = 14
    days_before: int = 10

    def looks(self, seed: int) -> Iterator[tuple[float, Trial]]:
        """Yield the days since the canary began, and what is known then, at the end of each day."""
        rng = np.random.default_rng(seed)
        users, all_days = self.user_count, self.days_before + self.days
        canary = rng.random(users) < self.share
        taste = rng.gamma(4.0, 0.25, users)
        comes = rng.random((all_days, users)) < rng.uniform(0.1, 0.9, users)
        day, user = np.nonzero(comes)
        is_new = canary[user] & (day >= self.days_before)
        order = np.linspace(1.5, 0.5, PLACES)
        attraction = np.where(is_new[:, None] & self.worse_order, order[::-1], order) * MEAN_ATTRACTION
        attraction = attraction * (taste[user] * np.where(is_new, 1 + self.gain, 1.0))[:, None]
        looked_at = np.arange(1, PLACES + 1) ** -EXPONENT
        slate, place = np.nonzero(rng.random(attraction.shape) < np.minimum(attraction, 1.0) * looked_at)
        first = int(np.searchsorted(day, self.days_before))
        before = self._served(user, slate, place, 0, first)
        for today in range(self.days_before + 1, all_days + 1):
            now = self._served(user, slate, place, first, int(np.searchsorted(day, today)))
            yield float(today - self.days_before), Trial(canary, np.zeros(users, dtype=np.bool_), now, before, {})

    def _served(self, user: np.ndarray, slate: np.ndarray, place: np.ndarray, start: int, stop: int) -> Served:
        """Return the slates from ``start`` to ``stop`` with their reactions."""
        low, high = np.searchsorted(slate, (start, stop))
        reacted, places = slate[low:high] - start, place[low:high] + 1
        return Served(self.user_count, user[start:stop], np.zeros(stop - start, dtype=np.bool_), reacted, places)
