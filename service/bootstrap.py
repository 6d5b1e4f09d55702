"""The only place that builds concrete adapters and wires them."""

import datetime as dt
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ranker.blas import use_one_thread
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle
from ranker.errors import BundleError
from service.api.admission import Gate
from service.api.catalog import CatalogServicer
from service.api.feeds import FeedServicer
from service.api.interceptors import CallInterceptor
from service.api.lanes import Lane
from service.api.page_tokens import PageTokens
from service.api.passage import Passage
from service.api.profiles import ProfileServicer
from service.api.server import Server
from service.api.status_service import StatusServicer
from service.app.catalog import Catalog
from service.app.counters import Counters
from service.app.embedder import Embedder
from service.app.feeds import Feeds
from service.app.profiles import Profiles
from service.app.ranking.inline import InlineRanking
from service.app.ranking.precomputed import Precomputed, PrecomputedUse
from service.app.ranking.prepared_users import PreparedUsers
from service.app.ranking.serving import ServingSlot
from service.config import Settings
from service.domain.errors import BundleUnusable, StorageUnavailable
from service.encoder import OpenedEncoder, open_encoder
from service.storage import SqlStore, open_store, schema

INLINE_CACHE_BYTES = 64 * 1024 * 1024
# What one process on a port tells the others.
TEXT_CAME = "text-came"
EMBEDDED = "embedded"


class SystemClock:
    """The machine's clock."""

    def now(self) -> dt.datetime:
        """UTC, aware."""
        return dt.datetime.now(dt.UTC)


def prepare_store(settings: Settings, *, may_make: bool = True) -> SqlStore:
    """The database, made if it is empty and ``may_make``.

    Raises:
        SchemaMismatch: It was made by another version; an existing one is never changed without being asked.
        StorageUnavailable: It does not answer, or is empty and not to be made.
    """
    if schema.current_revision(settings.db) is None:
        if not may_make:
            raise StorageUnavailable("it is gone or empty, and other processes may still have the old one open")
        schema.upgrade(settings.db)
    schema.check(settings.db)
    # A connection for each thread that may want one, and for what works in the background.
    return open_store(settings.db, pool_size=3 * settings.threads + 4)


def make_encoder(settings: Settings) -> OpenedEncoder:
    """The configured encoder; its process starts when there is text."""
    return open_encoder(
        settings.encoder,
        idle_seconds=settings.encoder_idle_seconds,
        threads=settings.encoder_threads or None,
        device=settings.encoder_device,
        cache_path=settings.cache_path,
        memory_cache_bytes=INLINE_CACHE_BYTES,
    )


def make_bundle(settings: Settings, encoder: str) -> Bundle:
    """The configured bundle.

    Raises:
        BundleUnusable: It is damaged, or made for another encoder or feature schema.
    """
    path = Path(settings.bundle).expanduser() if settings.bundle else default_bundle_path()
    try:
        return load_bundle(path, encoder=encoder)
    except BundleError as error:
        raise BundleUnusable(str(error)) from error


@dataclass(frozen=True)
class Place:
    """Of a process among the ``count`` server processes on one port; ``number`` from 1.

    Attributes:
        may_make_database: Only the first process may, at its first start: later, an absent one is lost, not new.
    """

    number: int
    count: int
    may_make_database: bool = True


ALONE = Place(number=1, count=1)


class Application:
    """A wired service. ``start`` it, then ``stop`` it; both once.

    Args:
        place: The first process alone embeds what waits; an encoder's process for each would be memory for nothing.
        tell: Called with a word that the other processes on the port shall ``hear``.
    """

    def __init__(
        self, settings: Settings, place: Place = ALONE, *, tell: Callable[[str], None] = lambda _word: None
    ) -> None:
        use_one_thread()
        self._settings = settings
        self._tell = tell
        self._embeds = place.number == 1
        self.store = prepare_store(settings, may_make=place.may_make_database)
        self.encoder = make_encoder(settings)
        clock, counters = SystemClock(), Counters()
        waiting = settings.max_waiting_calls
        quick = Lane("quick", settings.threads, waiting, settings.max_wait_seconds)
        bulk = Lane("bulk", 2 * settings.threads, waiting)
        passage = Passage(
            counters,
            (quick, bulk),
            silence_seconds=settings.silence_seconds,
            stall_seconds=settings.stall_seconds,
        )
        self.serving = ServingSlot(self.store, self.encoder.name, lambda name: make_bundle(settings, name))
        self._embedder = Embedder(self.store, self.encoder, clock, on_drained=self._drained)
        users = PreparedUsers()
        feeds = Feeds(
            self.store,
            clock,
            self.serving,
            users,
            counters,
            diversity=settings.diversity,
            stale_digest_days=settings.stale_digest_days,
            precomputed=Precomputed(
                PrecomputedUse(settings.precomputed),
                dt.timedelta(hours=settings.precomputed_hours),
                lambda: quick.is_crowded,
                explores=settings.exploration > 0,
            ),
            exploration=settings.exploration,
        )
        inline = InlineRanking(self.store, clock, self.serving, users, self.encoder, counters)
        tokens = PageTokens(self.store.page_token_key())
        self._server = Server(
            catalog=CatalogServicer(Catalog(self.store, clock, self._text_came), tokens),
            profiles=ProfileServicer(Profiles(self.store, clock, self.serving, users), tokens),
            feeds=FeedServicer(feeds, inline, tokens),
            status=StatusServicer(
                counters,
                self.serving,
                call_count=lambda: quick.count + bulk.count,
                paper_counts=self._paper_counts,
                version=importlib.metadata.version("paperfeed"),
                place=(place.number, place.count),
            ),
            lanes=(quick, bulk),
            passage=passage,
            gate=Gate(quick, bulk, passage, counters),
            interceptor=CallInterceptor(counters),
            port_is_shared=place.count > 1,
        )

    def start(self) -> int:
        """Serves; gives the port. The bundle is loaded and the database answered before the first call is taken."""
        bundle = self.serving.refresh().bundle
        if bundle is not None:
            # Importing LightGBM takes a second or two: SERVING shall mean that a feed is answered, not that it waits.
            _ = bundle.model.booster
        port = self._server.start(self._settings.host, self._settings.port)
        if self._embeds:
            self._embedder.start()
        return port

    def hear(self, word: str) -> None:
        """What another process on the port told; words of a newer version are ignored."""
        if word == TEXT_CAME and self._embeds:
            self._embedder.wake()
        elif word == EMBEDDED:
            self.serving.catch_up()

    def stop(self) -> None:
        """Drains and ends."""
        self._server.drain(self._settings.drain_seconds)
        self._embedder.stop()
        self.encoder.close()
        self.store.dispose()

    def _text_came(self) -> None:
        if self._embeds:
            self._embedder.wake()
        else:
            self._tell(TEXT_CAME)

    def _drained(self) -> None:
        self.serving.catch_up()
        self._tell(EMBEDDED)

    def _paper_counts(self) -> tuple[int, int]:
        with self.store.read() as tx:
            return tx.papers.count(), tx.papers.pending_count(self.encoder.name)
