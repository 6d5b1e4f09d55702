"""Which vectors and which bundle serve now."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ranker.bundle.bundle import Bundle
from service.app.ports import Store
from service.domain.errors import BundleUnusable

_log = logging.getLogger("paperfeed.serving")


@dataclass(frozen=True)
class Serving:
    """One consistent choice, read once per request.

    Attributes:
        encoder: Name of the encoder whose vectors are compared.
        bundle: None where none fits; ``problem`` then says why.
        generation: Another number for every choice; what was computed under one does not fit another.
    """

    encoder: str
    bundle: Bundle | None
    problem: str
    generation: int


class ServingSlot:
    """Holds the present choice; a new one replaces it whole, while requests at work keep the one they began with.

    Args:
        encoder: The configured encoder's name.
        load_bundle: Loads the bundle for an encoder name, or raises BundleUnusable.
    """

    def __init__(self, store: Store, encoder: str, load_bundle: Callable[[str], Bundle]) -> None:
        self._store = store
        self._encoder = encoder
        self._load_bundle = load_bundle
        self._lock = threading.Lock()
        self._current: Serving | None = None
        self._generation = 0

    @property
    def current(self) -> Serving:
        """The choice that serves."""
        return self._current or self.refresh()

    def refresh(self) -> Serving:
        """Chooses again: the configured encoder, unless most vectors are still another's."""
        with self._lock:
            encoder = self._serving_encoder()
            if self._current is None or self._current.encoder != encoder:
                self._current = self._load(encoder)
            return self._current

    def catch_up(self) -> None:
        """Chooses again as long as another encoder than the configured one serves; else costs nothing."""
        if self.current.encoder != self._encoder:
            self.refresh()

    def _serving_encoder(self) -> str:
        with self._store.read() as tx:
            if tx.papers.pending_count(self._encoder) == 0:
                return self._encoder
            counts = tx.papers.encoders()
        return max(counts, key=lambda name: (counts[name], name == self._encoder), default=self._encoder)

    def _load(self, encoder: str) -> Serving:
        self._generation += 1
        try:
            bundle = self._load_bundle(encoder)
        except BundleUnusable as error:
            _log.error(
                "no bundle serves, feeds are ranked by cosine; train one with: paperfeed train",
                extra={"facts": {"problem": error.message, "encoder": encoder}},
            )
            return Serving(encoder, None, error.message, self._generation)
        return Serving(encoder, bundle, "", self._generation)
