"""The encoder, the bundle and the statistics of the catalog that serve at present."""

import datetime as dt
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ranker.bundle.bundle import Bundle
from ranker.spaces.statistics import CorpusStatistics
from service.app.ports import StatisticsVersion, Store
from service.domain.errors import BundleUnusable

PAST_SERVINGS = 2
"""Number of past statistics whose bundles are kept, for requests with an ``as_of``."""
_log = logging.getLogger("paperfeed.serving")


@dataclass(frozen=True)
class Serving:
    """A consistent choice of encoder, bundle and statistics, read once per request.

    Attributes:
        encoder: Name of the encoder whose vectors are compared.
        bundle: The bundle with the statistics of the catalog; None if no bundle matches the encoder.
        problem: Why there is no bundle; empty if there is one.
        generation: Number of this choice; cached values of another generation are invalid.
        statistics_version: Version of the statistics in the bundle; 0 if they are those of its training data alone.
    """

    encoder: str
    bundle: Bundle | None
    problem: str
    generation: int
    statistics_version: int = 0


class ServingSlot:
    """Holds the present choice of encoder, bundle and statistics. Running requests keep the choice they started with.

    Args:
        encoder: Name of the configured encoder.
        load_bundle: Loads the bundle for an encoder name, or raises BundleUnusable.
        allow_cosine: Whether the server is ready without a bundle too.
    """

    def __init__(
        self, store: Store, encoder: str, load_bundle: Callable[[str], Bundle], *, allow_cosine: bool = False
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._load_bundle = load_bundle
        self._allow_cosine = allow_cosine
        self._lock = threading.Lock()
        self._generation = 0
        # The choice without statistics of the catalog, and by version the choices made from it, oldest use first.
        self._plain: Serving | None = None
        self._adapted: dict[int, Serving] = {}
        self._current: Serving | None = None
        self._statistics: StatisticsVersion | None = None
        self._unreadable: set[int] = set()

    @property
    def current(self) -> Serving:
        """The present choice."""
        return self._current or self.refresh()

    @property
    def is_ready(self) -> bool:
        """Whether feeds are ranked as they should be: with a bundle, unless ranking by cosine is allowed."""
        return self._allow_cosine or self.current.bundle is not None

    @property
    def statistics(self) -> StatisticsVersion | None:
        """Facts about the statistics of the present choice; None if it has version 0."""
        return self._statistics

    def at(self, as_of: dt.datetime | None) -> Serving:
        """Return the choice for a request with this ``as_of``; the present choice if it is None.

        A given ``as_of`` chooses the newest statistics counted at that time or before. If no version that old is kept,
        the bundle's own statistics serve alone.
        """
        current = self.current
        if as_of is None or current.bundle is None:
            return current
        versions = self._counted(current.encoder, by=as_of)
        with self._lock:
            if self._plain is None or self._plain.encoder != current.encoder:
                return current
            return self._newest_of(versions, self._plain)[0]

    def refresh(self) -> Serving:
        """Choose again and return the choice.

        The configured encoder serves once it has embedded all texts; until then the encoder with most vectors serves.
        The newest statistics of the catalog serve. A bundle that could not be used is loaded again.
        """
        with self._lock:
            return self._choose(self._serving_encoder())

    def catch_up(self) -> None:
        """Choose newer statistics if there are any; choose everything again if the configured encoder does not serve.

        A bundle that could not be used is loaded again.

        Takes a tenth of a second if the statistics have changed, and one short statement otherwise.
        """
        encoder = self.current.encoder
        if encoder != self._encoder:
            self.refresh()
            return
        with self._lock:
            self._choose(encoder)

    def _choose(self, encoder: str) -> Serving:
        plain = self._plain
        if plain is None or plain.encoder != encoder or plain.bundle is None:
            plain = self._load(encoder)
        # Read under the lock, so that no thread replaces newer statistics by older ones.
        versions = self._counted(encoder) if plain.bundle else []
        self._current, self._statistics = self._newest_of(versions, plain)
        return self._current

    def _counted(self, encoder: str, by: dt.datetime | None = None) -> list[StatisticsVersion]:
        with self._store.read() as tx:
            return tx.statistics.counted(encoder, by=by)

    def _newest_of(
        self, versions: Sequence[StatisticsVersion], plain: Serving
    ) -> tuple[Serving, StatisticsVersion | None]:
        """Return the choice with the first version that can be read, and the version; ``plain`` and None otherwise."""
        for version in versions:
            found = self._adapted.pop(version.version, None) or self._adapt(plain, version)
            if found is not None:
                self._keep(version.version, found)
                return found, version
        return plain, None

    def _keep(self, version: int, serving: Serving) -> None:
        """Keep a choice as the one used last; forget the one not used for longest, except the present one."""
        self._adapted[version] = serving
        if len(self._adapted) > PAST_SERVINGS + 1:
            present = self._statistics.version if self._statistics else 0
            del self._adapted[next(each for each in self._adapted if each != present)]

    def _adapt(self, plain: Serving, version: StatisticsVersion) -> Serving | None:
        """Return the choice with the statistics of a version; None if they cannot be used, which is logged once."""
        if plain.bundle is None or version.version in self._unreadable:
            return None
        with self._store.read() as tx:
            data = tx.statistics.data(version.version)
        if data is None:  # Pruned in the meantime.
            return None
        try:
            bundle = plain.bundle.adapted(CorpusStatistics.of_bytes(data))
        except Exception as error:  # noqa: BLE001 -- damaged bytes raise whatever the archive's reader raises
            self._unreadable.add(version.version)
            facts = {"statistics_version": version.version, "problem": f"{type(error).__name__}: {error}"}
            _log.error("statistics of the catalog cannot be used; older ones serve", extra={"facts": facts})
            return None
        self._generation += 1
        facts = {"statistics_version": version.version, "paper_count": version.paper_count}
        _log.debug("statistics of the catalog loaded", extra={"facts": facts})
        return replace(plain, bundle=bundle, generation=self._generation, statistics_version=version.version)

    def _serving_encoder(self) -> str:
        with self._store.read() as tx:
            if tx.papers.pending_count(self._encoder) == 0:
                return self._encoder
            counts = tx.papers.encoders()
        return max(counts, key=lambda name: (counts[name], name == self._encoder), default=self._encoder)

    def _load(self, encoder: str) -> Serving:
        """Load the bundle for an encoder, keep the result as the choice without statistics, and return it.

        If the bundle cannot be used for the same reason as before, nothing changes and nothing is logged.
        """
        bundle, problem, before = None, "", self._plain
        try:
            bundle = self._load_bundle(encoder)
        except BundleUnusable as error:
            problem = error.message
        if before is not None and bundle is None and (before.encoder, before.problem) == (encoder, problem):
            return before
        self._generation += 1
        self._plain, self._adapted = Serving(encoder, bundle, problem, self._generation), {}
        if bundle is None:
            level, facts = logging.WARNING if self._allow_cosine else logging.ERROR, {"problem": problem}
            _log.log(
                level, "no bundle serves: %s", BundleUnusable.REMEDY, extra={"facts": facts | {"encoder": encoder}}
            )
        elif before is not None:
            _log.info("bundle loaded", extra={"facts": {"bundle": bundle.version, "encoder": encoder}})
        return self._plain
