"""The encoder, the bundles and the statistics of the catalog that serve at present."""

import datetime as dt
import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from ranker.bundle.bundle import Bundle
from service.app.ports import StatisticsVersion, Store
from service.app.ranking.ranking_times import RankingTimes
from service.app.ranking.served_model import ServedModel, Serving
from service.domain.errors import BundleUnusable
from service.domain.models import Canary

__all__ = ["Choice", "Serving", "ServingSlot"]

_log = logging.getLogger("paperfeed.serving")


@dataclass(frozen=True)
class Choice:
    """What ranks for whom, read once per request.

    Attributes:
        serving: For users who are not in the canary.
        canary: For users in the canary; None without a canary.
        split: Says which users are in the canary; None without a canary.
    """

    serving: Serving
    canary: Serving | None = None
    split: Canary | None = None

    def of(self, user_id: str) -> Serving:
        """Return what ranks for this user; what is for no user (an empty id) is never for the canary."""
        if user_id and self.canary is not None and self.split is not None and self.split.has(user_id):
            return self.canary
        return self.serving


@dataclass(frozen=True)
class _Models:
    """The loaded bundles; one reference to this object is swapped, so that readers see a consistent state."""

    served: ServedModel
    canary: ServedModel | None = None
    split: Canary | None = None


class ServingSlot:
    """Holds the present choice of encoder, bundles and statistics. Running requests keep the choice they started with.

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
        self._next_generation = itertools.count(1).__next__
        self._models: _Models | None = None

    @property
    def current(self) -> Serving:
        """The present choice for users who are not in the canary."""
        models = self._models
        return self.refresh() if models is None else models.served.current

    @property
    def is_ready(self) -> bool:
        """Whether feeds are ranked as they should be: with a bundle, unless ranking by cosine is allowed."""
        return self._allow_cosine or self.current.bundle is not None

    @property
    def statistics(self) -> StatisticsVersion | None:
        """Facts about the statistics of the present choice; None if it has version 0."""
        models = self._models
        return None if models is None else models.served.statistics

    @property
    def canary(self) -> Canary | None:
        """The canary that is loaded and ranks for its users; None if there is none."""
        models = self._models
        return None if models is None else models.split

    def ranking_times(self) -> dict[str, RankingTimes]:
        """Return the counts of rankings of the loaded bundles, by version: of the serving one and of the canary."""
        models = self._models
        loaded = () if models is None else (models.served, models.canary)
        return {each.version: each.plain.times for each in loaded if each is not None and each.version is not None}

    def choice(self, as_of: dt.datetime | None = None) -> Choice:
        """Return what ranks for whom in a request with this ``as_of``; the present choice if it is None.

        A given ``as_of`` chooses the newest statistics counted at that time or before. If no version that old is kept,
        the bundle's own statistics serve alone.
        """
        current = self.current
        models = self._models
        if models is None:
            return Choice(current)
        canary = models.canary
        if as_of is None or models.served.plain.bundle is None:
            return Choice(models.served.current, None if canary is None else canary.current, models.split)
        versions = self._counted(models.served.plain.encoder, by=as_of)
        with self._lock:
            chosen = None if canary is None else canary.with_first_of(versions)
            return Choice(models.served.with_first_of(versions), chosen, models.split)

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

    def prepare(self, load: Callable[[str], Bundle]) -> ServedModel:
        """Load another bundle for the present encoder, without serving it.

        Args:
            load: Loads a bundle for an encoder name.

        Raises:
            BundleUnusable: From ``load``.
        """
        encoder = self.current.encoder
        bundle = load(encoder)
        plain = Serving(encoder, bundle, "", self._next_generation())
        prepared = ServedModel(self._store, plain, self._next_generation)
        prepared.choose(self._counted(encoder))
        return prepared

    def swap(self, prepared: ServedModel) -> bool:
        """Serve a prepared bundle; return False and change nothing if another encoder serves by now."""
        with self._lock:
            if self._models is None or self._models.served.plain.encoder != prepared.plain.encoder:
                return False
            self._models = replace(self._models, served=prepared)
            return True

    def put_canary(self, prepared: ServedModel | None, split: Canary | None) -> bool:
        """Let a prepared bundle rank for the users of a canary, or end the canary; see ``swap``."""
        with self._lock:
            if self._models is None:
                return False
            if prepared is not None and self._models.served.plain.encoder != prepared.plain.encoder:
                return False
            self._models = replace(self._models, canary=prepared, split=split)
            return True

    @property
    def loaded_canary(self) -> ServedModel | None:
        """The bundle of the canary, to serve it for all users or with another share; None without one."""
        models = self._models
        return None if models is None else models.canary

    def _choose(self, encoder: str) -> Serving:
        models = self._models
        if models is None or models.served.plain.encoder != encoder:
            # A canary for another encoder cannot rank any more; it is loaded again if it fits the new one.
            models = self._models = _Models(self._load(encoder))
        elif models.served.plain.bundle is None:
            models = self._models = replace(models, served=self._load(encoder))
        # Read under the lock, so that no thread replaces newer statistics by older ones.
        versions = self._counted(encoder) if models.served.plain.bundle else []
        for model in (models.served, models.canary):
            if model is not None:
                model.choose(versions)
        return models.served.current

    def _counted(self, encoder: str, by: dt.datetime | None = None) -> list[StatisticsVersion]:
        with self._store.read() as tx:
            return tx.statistics.counted(encoder, by=by)

    def _serving_encoder(self) -> str:
        with self._store.read() as tx:
            if tx.papers.pending_count(self._encoder) == 0:
                return self._encoder
            counts = tx.papers.encoders()
        return max(counts, key=lambda name: (counts[name], name == self._encoder), default=self._encoder)

    def _load(self, encoder: str) -> ServedModel:
        """Load the bundle for an encoder.

        If the bundle cannot be used for the same reason as before, the present model is returned, and nothing is
        logged.
        """
        bundle, problem = None, ""
        before = self._models.served if self._models else None
        try:
            bundle = self._load_bundle(encoder)
        except BundleUnusable as error:
            problem = error.message
        as_before = before is not None and (before.plain.encoder, before.plain.problem) == (encoder, problem)
        if before is not None and bundle is None and as_before:
            return before
        if bundle is None:
            level, facts = logging.WARNING if self._allow_cosine else logging.ERROR, {"problem": problem}
            _log.log(
                level, "no bundle serves: %s", BundleUnusable.REMEDY, extra={"facts": facts | {"encoder": encoder}}
            )
        elif before is not None:
            _log.info("bundle loaded", extra={"facts": {"bundle": bundle.version, "encoder": encoder}})
        return ServedModel(
            self._store, Serving(encoder, bundle, problem, self._next_generation()), self._next_generation
        )
