"""Opens the database for commands that work on it directly, without a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.output import progress_bar

if TYPE_CHECKING:
    from service.app.catalog import Catalog
    from service.bootstrap import SystemClock
    from service.config import Settings
    from service.encoder import OpenedEncoder
    from service.storage import SqlStore


@dataclass(frozen=True)
class Local:
    """The parts of the service that import commands use."""

    settings: "Settings"
    store: "SqlStore"
    clock: "SystemClock"
    catalog: "Catalog"
    encoder: "OpenedEncoder"

    def embed(self, *, wanted: bool) -> int:
        """Embed the papers that have no vector yet; return how many vectors were stored (0 if not wanted)."""
        if not wanted:
            return 0
        from service.app.embedder import embed_pending

        with progress_bar("embedding", self.pending()) as bar:
            return embed_pending(self.store, self.encoder, self.clock, progress=bar.advance)

    def pending(self) -> int:
        """Return how many papers wait for a vector of the configured encoder."""
        with self.store.read() as tx:
            return tx.papers.pending_count(self.encoder.name)


@contextmanager
def open_local(db: str | None) -> Iterator[Local]:
    """Open the database that --db or PAPERFEED_DB names; create its tables if it is empty."""
    from service.app.catalog import Catalog
    from service.bootstrap import SystemClock, make_encoder, prepare_store
    from service.config import Settings

    settings = Settings.read(db=db)
    store = prepare_store(settings)
    clock = SystemClock()
    encoder = make_encoder(settings)
    try:
        yield Local(settings, store, clock, Catalog(store, clock), encoder)
    finally:
        encoder.close()
        store.dispose()
