"""The encoder and the bundle that serve at present."""

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
    """A consistent choice of encoder and bundle, read once per request.

    Attributes:
        encoder: Name of the encoder whose vectors are compared.
        bundle: None if no bundle matches the encoder.
        problem: Why there is no bundle; empty if there is one.
        generation: Number of this choice; cached values of another generation are invalid.
    """

    encoder: str
    bundle: Bundle | None
    problem: str
    generation: int


class ServingSlot:
    """Holds the present choice of encoder and bundle; running requests keep the choice that they started with.

    Args:
        encoder: Name of the configured encoder.
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
        """The present choice."""
        return self._current or self.refresh()

    def refresh(self) -> Serving:
        """Choose again and return the choice.

        The configured encoder serves once it has embedded all texts; until then the encoder with most vectors serves.
        """
        with self._lock:
            encoder = self._serving_encoder()
            if self._current is None or self._current.encoder != encoder:
                self._current = self._load(encoder)
            return self._current

    def catch_up(self) -> None:
        """Choose again if the configured encoder does not serve yet."""
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
                "no bundle serves, so feeds are ranked by cosine; train one with: paperfeed train",
                extra={"facts": {"problem": error.message, "encoder": encoder}},
            )
            return Serving(encoder, None, error.message, self._generation)
        return Serving(encoder, bundle, "", self._generation)
