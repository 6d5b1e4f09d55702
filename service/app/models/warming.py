"""Warming of a bundle before it serves: its caches are filled, and it must rank for real users without an error."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from service.app.ports import Clock, Store
from service.app.ranking.candidate_sets import BeingPlaced, CandidateSets
from service.app.ranking.candidates import Candidates
from service.app.ranking.prepared_users import PreparedUsers
from service.app.ranking.ranking import RankingOptions, hidden_papers, rank_candidates
from service.app.ranking.ranking_times import RankingTimes
from service.app.ranking.serving import Serving

WARM_USERS = 200
"""Number of users with the newest slates for whom a bundle ranks before it serves."""
RECENT_SLATES = 2_000
"""Number of newest slates that are searched for these users."""
WARM_SECONDS = 5.0
"""Limit for all users together: under load a user takes ten times as long, and a rollback must not wait for that."""
MAX_PAUSE_SECONDS = 0.05
"""Longest pause between two users. Running calls then wait little for the interpreter."""


@dataclass(frozen=True)
class Warmer:
    """Ranks the newest digest with a bundle that does not serve yet. Stores nothing."""

    store: Store
    clock: Clock
    candidates: CandidateSets
    users: PreparedUsers

    def warm(
        self,
        serving: Serving,
        *,
        ranks_for: Callable[[str], bool] = lambda _: True,
        stopping: Callable[[], bool] = lambda: False,
    ) -> int:
        """Rank for recent users, at most for ``WARM_SECONDS``; return for how many.

        Args:
            ranks_for: Whether the bundle will rank for a user. Other users are left out.
            stopping: Called before each user; if it returns True, the work ends.
        """
        with self.store.read() as tx:
            newest = tx.versions("", "").digest
            recent = tx.slates.recent_user_ids(slates=RECENT_SLATES)
        if newest is None:
            return 0
        self._placed(serving, newest[0])
        count, ends_at = 0, time.monotonic() + WARM_SECONDS
        for user_id in [user_id for user_id in recent if ranks_for(user_id)][:WARM_USERS]:
            start = time.monotonic()
            if stopping() or start > ends_at:
                break
            self._rank(serving, user_id, newest[0])
            count += 1
            time.sleep(min(time.monotonic() - start, MAX_PAUSE_SECONDS))
        return count

    def _rank(self, serving: Serving, user_id: str, digest_id: str) -> None:
        candidates = self._placed(serving, digest_id)
        with self.store.read() as tx:
            user = self.users.find(tx, serving, user_id, tx.users.version(user_id))
        options = RankingOptions(as_of=self.clock.now(), exclude=hidden_papers(user, candidates))
        # These rankings, the first of them slow, do not count as the bundle's.
        rank_candidates(replace(serving, times=RankingTimes()), user, candidates, options)

    def _placed(self, serving: Serving, digest_id: str) -> Candidates:
        while True:
            with self.store.read() as tx:
                try:
                    return self.candidates.of_digests(tx, serving, [digest_id])[0]
                except BeingPlaced as placing:
                    done = placing.done
            done.result()
