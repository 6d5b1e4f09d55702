"""A registry with a running canary in a database, and users who got slates of both bundles and reacted."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.app.models.registry import Registry
from service.domain.events import Event, EventType, user_id_hash
from service.domain.feeds import FallbackReason, Slate, SlateItem
from service.domain.models import ModelState
from service.domain.papers import Paper
from service.resources import SystemClock
from service.storage import SqlStore, open_store, schema
from service.storage.registry.folders import LocalFolders
from testing.trials.rivals import rival

PLACES = 10
SHARE = 0.4
ATTRACTION = 0.3


@dataclass(frozen=True)
class CanaryRun:
    """A database and a registry with a serving bundle and a canary."""

    url: str
    folder: Path
    store: SqlStore
    registry: Registry
    serving: str
    canary: str

    def serve(self, gain: float, *, user_count: int = 250, slates_each: int = 2, seed: int = 0) -> None:
        """Store slates of all users by the bundle that each gets, and reactions to them.

        A user looks at place k with probability 1 / k, and reacts with ``ATTRACTION``, times 1 + gain for the canary.
        """
        rng = np.random.default_rng(seed)
        canary, now = self.registry.aliases().canary, dt.datetime.now(dt.UTC)
        assert canary is not None
        papers = [Paper(f"p{number}", f"paper {number}") for number in range(PLACES)]
        items = tuple(SlateItem(place + 1, paper.paper_id, 1.0) for place, paper in enumerate(papers))
        looked_at = 1 / np.arange(1, PLACES + 1)
        events, slates = [], []
        for user in (f"u{number}" for number in range(user_count)):
            chances = looked_at * ATTRACTION * ((1 + gain) if canary.has(user) else 1)
            for number in range(slates_each):
                name = f"{user}-{number}"
                slates.append(self._slate(name, user, self.canary if canary.has(user) else self.serving, items, now))
                for place in np.flatnonzero(rng.random(PLACES) < chances).tolist():
                    event_id = f"{number}-{place}"
                    events.append(Event(event_id, user, f"p{place}", EventType.CLICK, now, slate_id=name))
            events.append(Event("seen", user, "p0", EventType.IMPRESSION, now, slate_id=name))
        with self.store.write() as tx:
            tx.papers.upsert(papers, now)
            tx.users.record(events, now)
            for slate in slates:
                tx.slates.add(slate)

    def delete(self, user_id: str) -> str:
        """Delete a user and return the hash of the id."""
        with self.store.write() as tx:
            tx.users.delete(user_id, SystemClock())
        return user_id_hash(user_id)

    def states(self) -> tuple[ModelState, ModelState]:
        """Return the states of the serving bundle of the start and of the canary of the start."""
        return self.registry.get(self.serving).state, self.registry.get(self.canary).state

    @staticmethod
    def _slate(name: str, user: str, version: str, items: tuple[SlateItem, ...], now: dt.datetime) -> Slate:
        return Slate(
            slate_id=name,
            user_id=user,
            digest_ids=("d",),
            model_version=version,
            fallback_reason=FallbackReason.NONE,
            as_of=now,
            created_at=now,
            request_hash="",
            pending_paper_count=0,
            items=items,
        )


@contextmanager
def canary_run(folder: Path) -> Iterator[CanaryRun]:
    """Create a database and a registry in a folder, with a serving bundle and a canary whose gate has passed."""
    url = f"sqlite:///{folder / 'service.db'}"
    schema.upgrade(url)
    old, new = (rival(folder / name, {"embedding_mean_relative": base}) for name, base in (("old", 1.0), ("new", 2.0)))
    store = open_store(url)
    try:
        registry = Registry(store, SystemClock(), LocalFolders(folder / "registry"), None)
        registry.serve_first(folder / "old", "test")
        registry.register(folder / "new", "test")
        registry.record_gate(new.version, ModelState.GATED, {}, "test")
        registry.start_canary(new.version, SHARE, "test")
        yield CanaryRun(url, folder / "registry", store, registry, old.version, new.version)
    finally:
        store.dispose()
