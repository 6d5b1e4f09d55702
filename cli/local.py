"""Opens the database for commands that work on it directly, without a server."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.destination import check_database
from cli.output import progress_bar
from service.config import Settings

if TYPE_CHECKING:
    from service.app.catalog import Catalog
    from service.encoder import OpenedEncoder
    from service.resources import SystemClock
    from service.storage import SqlStore


@dataclass(frozen=True)
class Local:
    """The parts of the service that import commands use."""

    settings: Settings
    store: "SqlStore"
    clock: "SystemClock"
    catalog: "Catalog"
    encoder: "OpenedEncoder"

    def embed(self, *, wanted: bool) -> int:
        """Embed the papers that have no vector yet; return how many vectors were stored (0 if not wanted)."""
        from service.app.embedder import embed_pending

        if not wanted:
            return 0
        with progress_bar("embedding", self.pending()) as bar:
            return embed_pending(self.store, self.encoder, self.clock, progress=bar.advance)

    def pending(self) -> int:
        """Return how many papers wait for a vector of the configured encoder."""
        with self.store.read() as tx:
            return tx.papers.pending_count(self.encoder.name)


@contextmanager
def open_local(db: str | None, *, may_make: bool = False) -> Iterator[Local]:
    """Open the database that --db or the settings name; create its tables if it is empty.

    Args:
        may_make: See ``check_database``.
    """
    from service.app.catalog import Catalog
    from service.resources import SystemClock, cache_file, make_encoder, prepare_store

    settings, clock = Settings.read(db=db), SystemClock()
    check_database("db", settings.db, is_given="db" in Settings.given(db=db), may_make=may_make)
    with (
        prepare_store(settings) as store,
        closing(make_encoder(settings, cache_path=cache_file(settings))) as encoder,
    ):
        yield Local(settings, store, clock, Catalog(store, clock), encoder)


@contextmanager
def opened_store(url: str) -> Iterator["SqlStore"]:
    """Open a database that has the tables of this version, and close it at the end."""
    from service.storage import open_store, schema

    schema.check(url)
    with open_store(url, pool_size=1) as store:
        yield store
