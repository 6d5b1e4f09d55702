"""A loaded bundle, and the choices made from it: one for each version of the statistics of the catalog."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ranker.bundle.bundle import Bundle
from ranker.spaces.statistics import CorpusStatistics
from service.app.ports import StatisticsVersion, Store
from service.app.ranking.ranking_times import RankingTimes

PAST_SERVINGS = 2
"""Number of past statistics whose bundles are kept, for requests with an ``as_of``."""
_log = logging.getLogger("paperfeed.serving")


class Loaded:
    """Identity of a loaded bundle. Caches of what was computed with the bundle end when this object does."""

    __slots__ = ("__weakref__",)


@dataclass(frozen=True)
class Serving:
    """A consistent choice of encoder, bundle and statistics, read once per request.

    Attributes:
        encoder: Name of the encoder whose vectors are compared.
        bundle: The bundle with the statistics of the catalog; None if no bundle matches the encoder.
        problem: Why there is no bundle; empty if there is one.
        generation: Number of this choice; cached values of another generation are invalid.
        statistics_version: Version of the statistics in the bundle; 0 if they are those of its training data alone.
        loaded: Equal for all choices made from one loaded bundle.
        times: Counts the rankings of all choices made from one loaded bundle.
    """

    encoder: str
    bundle: Bundle | None
    problem: str
    generation: int
    statistics_version: int = 0
    loaded: Loaded = field(default_factory=Loaded)
    times: RankingTimes = field(default_factory=RankingTimes, compare=False)


class ServedModel:
    """The choices made from one loaded bundle. Not thread safe: its ``ServingSlot`` calls it under a lock.

    Args:
        plain: The choice without statistics of the catalog.
        next_generation: Returns a number that no other choice has.
    """

    def __init__(self, store: Store, plain: Serving, next_generation: Callable[[], int]) -> None:
        self.plain = plain
        self.current = plain
        """The choice for requests without an ``as_of``."""
        self.statistics: StatisticsVersion | None = None
        """Facts about the statistics of ``current``; None if it has version 0."""
        self._store = store
        self._next_generation = next_generation
        # By version, oldest use first.
        self._adapted: dict[int, Serving] = {}
        self._unreadable: set[int] = set()

    @property
    def version(self) -> str | None:
        """Version of the bundle; None without one."""
        return self.plain.bundle.version if self.plain.bundle else None

    def choose(self, versions: Sequence[StatisticsVersion]) -> None:
        """Make the choice with the first of these versions that can be read the current one."""
        self.current, self.statistics = self._newest_of(versions)

    def with_first_of(self, versions: Sequence[StatisticsVersion]) -> Serving:
        """Return the choice with the first of these versions that can be read; ``plain`` if none can."""
        return self._newest_of(versions)[0]

    def _newest_of(self, versions: Sequence[StatisticsVersion]) -> tuple[Serving, StatisticsVersion | None]:
        for version in versions:
            found = self._adapted.pop(version.version, None) or self._adapt(version)
            if found is not None:
                self._keep(version.version, found)
                return found, version
        return self.plain, None

    def _keep(self, version: int, serving: Serving) -> None:
        """Keep a choice as the one used last; forget the one not used for longest, except the present one."""
        self._adapted[version] = serving
        if len(self._adapted) > PAST_SERVINGS + 1:
            present = self.statistics.version if self.statistics else 0
            del self._adapted[next(each for each in self._adapted if each != present)]

    def _adapt(self, version: StatisticsVersion) -> Serving | None:
        """Return the choice with the statistics of a version; None if they cannot be used, which is logged once."""
        if self.plain.bundle is None or version.version in self._unreadable:
            return None
        with self._store.read() as tx:
            data = tx.statistics.data(version.version)
        if data is None:  # Pruned in the meantime.
            return None
        try:
            bundle = self.plain.bundle.adapted(CorpusStatistics.of_bytes(data))
        except Exception as error:  # noqa: BLE001 -- damaged bytes raise whatever the archive's reader raises
            self._unreadable.add(version.version)
            facts = {"statistics_version": version.version, "problem": f"{type(error).__name__}: {error}"}
            _log.error("statistics of the catalog cannot be used; older ones serve", extra={"facts": facts})
            return None
        facts = {"statistics_version": version.version, "paper_count": version.paper_count}
        _log.debug("statistics of the catalog loaded", extra={"facts": facts})
        generation = self._next_generation()
        return replace(self.plain, bundle=bundle, generation=generation, statistics_version=version.version)
