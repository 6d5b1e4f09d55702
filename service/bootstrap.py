"""Construction of the adapters and wiring of a server. Only ``service.resources`` builds adapters besides it."""

import datetime as dt
import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from ranker.blas import use_one_thread
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle
from ranker.errors import BundleError
from service.api.calls import SlowClients
from service.api.catalog import CatalogServicer
from service.api.feeds import FeedServicer
from service.api.handlers import PREFIX, Handlers, Together
from service.api.health import Health
from service.api.models import ModelServicer
from service.api.page_tokens import PageTokens
from service.api.profiles import ProfileServicer
from service.api.queues import CallQueue
from service.api.server import Server
from service.api.status_service import StatusServicer
from service.app.catalog import Catalog
from service.app.counters import Counters
from service.app.embedder import Embedder
from service.app.explanation.ledger import Ledger
from service.app.explanation.paper import Explainer
from service.app.feeds import Feeds
from service.app.interests import Interests
from service.app.models.registry import Registry
from service.app.models.rollout import Rollout, load_first
from service.app.models.warming import Warmer
from service.app.profiles import Profiles
from service.app.ranking.candidate_sets import CandidateSets
from service.app.ranking.inline import InlineRanking
from service.app.ranking.precomputed import Precomputed, PrecomputedUse
from service.app.ranking.prepared_users import PreparedUsers
from service.app.ranking.serving import ServingSlot
from service.app.slates import SlateMaker
from service.app.statistics import StatisticsKeeper
from service.app.storage_probe import StorageProbe
from service.config import Settings, without_password
from service.domain.errors import BundleRejected, BundleUnusable, InvalidField
from service.encoder.measured import MeasuredEncoder
from service.guard import Guard, check_settings
from service.measures import paper_measures, server_measures
from service.resources import SystemClock, make_encoder, prepare_store
from service.storage import SqlStore, open_store, schema
from service.storage.registry.folders import LocalFolders, RemoteFolders, open_folders
from telemetry.setup import TelemetryProblem, start_as

_log = logging.getLogger("paperfeed.server")
# Messages between the server processes on one port.
NEW_TEXT = "text-came"
EMBEDDED = "embedded"
MODELS = "models-changed"


def bundle_folder(settings: Settings) -> Path:
    """Return the folder of the configured bundle; of the bundle that ships with paperfeed if none is configured."""
    return Path(settings.bundle).expanduser() if settings.bundle else default_bundle_path()


def serving_bundle_folder(settings: Settings) -> Path:
    """Return the folder of the bundle that servers with these settings serve, for commands that work without one.

    Raises:
        SchemaMismatch, StorageUnavailable: The registry's database cannot be used.
        BundleUnusable: The registry's files are missing.
    """
    if not settings.registry:
        return bundle_folder(settings)
    schema.check(settings.db)
    with open_store(settings.db, pool_size=1) as store:
        registry = Registry(store, SystemClock(), registry_folders(settings), None)
        version = registry.aliases().serving
        return registry.folder_of(version) if version else bundle_folder(settings)


def make_bundle(settings: Settings, encoder: str) -> Bundle:
    """Load the configured bundle.

    Raises:
        BundleUnusable: The bundle is damaged, or was trained for another encoder or feature schema.
    """
    try:
        return load_bundle(bundle_folder(settings), encoder=encoder)
    except BundleError as error:
        raise BundleUnusable(str(error)) from error


def registry_folders(settings: Settings) -> LocalFolders | RemoteFolders:
    """Return the folders of the configured registry.

    Raises:
        BundleUnusable: Its URL names a file system that is unknown or not installed.
    """
    named = settings.registry_cache
    cache = Path(named).expanduser() if named else user_cache_path("paperfeed", appauthor=False) / "models"
    return open_folders(settings.registry, cache)


def make_registry(settings: Settings, store: SqlStore, encoder: str | None) -> Registry | None:
    """Return the configured registry; None if none is configured.

    Args:
        encoder: Name of the encoder that bundles must fit; None registers bundles of every encoder.

    Raises:
        BundleUnusable: See ``registry_folders``.
    """
    return Registry(store, SystemClock(), registry_folders(settings), encoder) if settings.registry else None


@dataclass(frozen=True)
class Place:
    """The place of a server process among the ``count`` processes on one port.

    Attributes:
        number: From 1.
        may_make_database: Whether the process may create a missing database. Only the first process may, at its first
            start; later, a missing database is an error.
    """

    number: int = 1
    count: int = 1
    may_make_database: bool = True


class Application:
    """The wired service. Call ``start`` and then ``stop``, each once.

    Args:
        place: Only the first process embeds pending texts, because each encoder process takes memory, and counts the
            statistics of the catalog.
        tell: Sends a message to the other processes on the port, which pass it to ``hear``.
    """

    def __init__(
        self, settings: Settings, place: Place = Place(), *, tell: Callable[[str], None] = lambda _word: None
    ) -> None:
        use_one_thread()
        self._settings = settings
        self._exposure = check_settings(settings)
        self._tell = tell
        self._embeds = place.number == 1
        self._number, self._is_stopping = place.number, False
        self.telemetry = start_as(
            "paperfeed-server",
            settings.metrics_port,
            InvalidField,
            attributes={"paperfeed.worker": place.number},
        )
        self.store = prepare_store(settings, may_make=place.may_make_database)
        self.encoder = MeasuredEncoder(make_encoder(settings, cache_path=settings.cache_path))
        clock, counters = SystemClock(), Counters()
        waiting = settings.max_waiting_calls
        quick = CallQueue(
            "quick", threads=settings.threads, max_waiting=waiting, max_wait_seconds=settings.max_wait_seconds
        )
        bulk = CallQueue("bulk", threads=settings.threads, max_waiting=waiting)
        self.registry = registry = make_registry(settings, self.store, self.encoder.name)
        self.serving = ServingSlot(
            self.store,
            self.encoder.name,
            lambda name: load_first(registry, name) if registry else make_bundle(settings, name),
            allow_cosine=settings.allow_cosine,
        )
        self._embedder = Embedder(self.store, self.encoder, clock, on_drained=self._drained, dim=self._vector_length)
        self._statistics = StatisticsKeeper(self.store, self.serving, clock, counts=self._embeds)
        users, candidates = PreparedUsers(), CandidateSets(self.store, clock)
        self.rollout: Rollout | None = None
        if registry is not None:
            warmer = Warmer(self.store, clock, candidates, users)
            self.rollout = Rollout(self.serving, registry, warmer, f"server {platform.node()}")
        self.feeds = feeds = Feeds(
            self.store,
            clock,
            self.serving,
            users,
            counters,
            candidates,
            SlateMaker(
                clock,
                diversity=settings.diversity,
                stale_after=dt.timedelta(days=settings.stale_digest_days),
                exploration=settings.exploration,
            ),
            Precomputed(
                PrecomputedUse(settings.precomputed),
                dt.timedelta(hours=settings.precomputed_hours),
                lambda: quick.is_crowded,
                explores=settings.exploration > 0,
            ),
        )
        inline = InlineRanking(self.store, clock, self.serving, users, self.encoder, counters)
        tokens = PageTokens(self.store.page_token_key())
        profiles = Profiles(self.store, clock, self.serving, users, counters, max_likes=settings.max_likes)
        interests = Interests(self.store, clock, self.serving, users)
        profile_servicer = ProfileServicer(profiles, interests, Ledger(self.store, clock), tokens)
        feed_servicer = FeedServicer(feeds, Explainer(feeds), inline, tokens)
        self.guard = guard = Guard(settings, self.store, clock)
        handlers = Handlers(
            counters,
            quick,
            bulk,
            {
                f"{PREFIX}FeedService/GetFeed": Together(feed_servicer.kind_of_feed, feed_servicer.feeds_together),
                f"{PREFIX}ProfileService/RecordEvents": Together(lambda _: "events", profile_servicer.record_together),
            },
            gate=guard.gate,
            audit=guard.audit,
            slow_clients=SlowClients(settings.silence_seconds, settings.stall_seconds),
        )
        paper_counts = StorageProbe(self._paper_counts, lambda: self.store.problem)
        self._measures = server_measures(counters, (quick, bulk), self.serving, feeds, self.encoder, self.store)
        self._measures += paper_measures(paper_counts) if self._embeds else []
        self._server = Server(
            catalog=CatalogServicer(
                Catalog(self.store, clock, self._on_new_text, max_papers=settings.max_papers), tokens
            ),
            profiles=profile_servicer,
            feeds=feed_servicer,
            models=ModelServicer(registry, tokens, self._on_models_changed),
            status=StatusServicer(
                counters,
                self.serving,
                call_count=lambda: handlers.count,
                paper_counts=paper_counts,
                place=(place.number, place.count),
                rollout=self.rollout,
            ),
            handlers=handlers,
            health=Health(settings.silence_seconds, settings.stall_seconds),
            is_ready=lambda: self.serving.is_ready,
            port=guard.port(is_shared=place.count > 1),
        )

    def start(self) -> int:
        """Start to serve and return the port. The bundle is loaded and the database was read before the first call.

        The first start with a registry registers the configured bundle, which serves until another is promoted.
        """
        if self.registry is not None:
            try:
                self.registry.serve_first(bundle_folder(self._settings), "first start")
            except BundleRejected as error:
                # The server starts without a bundle, as it does without a registry.
                _log.error("the first bundle of the registry is rejected", extra={"facts": {"problem": error.message}})
        serving, settings = self.serving.refresh(), self._settings
        self.guard.start()
        port = self._server.start(settings.host, settings.port)
        self._serve_telemetry()
        facts = {
            "host": settings.host,
            "port": port,
            "database": without_password(settings.db),
            "encoder": serving.encoder,
            "bundle": serving.bundle.version if serving.bundle else None,
            "bundle_folder": without_password(settings.registry) or str(bundle_folder(settings)),
            "auth": settings.auth,
            "tls": bool(settings.server_tls_cert),
            "metrics_port": self.telemetry.port,
        }
        _log.info("serving", extra={"facts": facts})
        if self._exposure:
            _log.warning(self._exposure, extra={"facts": {"host": settings.host}})
        self._statistics.start()
        if self.rollout is not None:
            self.rollout.start()
        if self._embeds:
            self._embedder.start()
        return port

    @property
    def warning(self) -> str:
        """What is wrong with the bundle and what to do; empty if one serves, or if none is given and none is needed."""
        serving, settings = self.serving.current, self._settings
        if serving.bundle is not None or (settings.allow_cosine and not settings.bundle):
            return ""
        return f"{serving.problem}; {BundleUnusable.REMEDY}"

    def hear(self, word: str) -> None:
        """Handle a message of another process on the port; ignore unknown messages, which a newer version may send."""
        if word == NEW_TEXT and self._embeds:
            self._embedder.wake()
        elif word == EMBEDDED:
            self._statistics.wake()
        elif word == MODELS and self.rollout is not None:
            self.rollout.wake()

    def stop(self) -> None:
        """Drain the server and release all resources."""
        self._is_stopping = True
        self._server.drain(self._settings.drain_seconds)
        self._embedder.stop()
        self._statistics.stop()
        self.guard.stop()
        if self.rollout is not None:
            self.rollout.stop()
        # Ends the batch in work, whose texts the embedder then gives back.
        self.encoder.close()
        self._embedder.stop()
        self.store.dispose()
        self.telemetry.close()

    def _serve_telemetry(self) -> None:
        """Export the measures, and open the port for metrics and probes.

        Raises:
            InvalidField: The port cannot be used.
        """
        port = self._settings.metrics_port
        try:
            self.telemetry.serve(
                self._settings.metrics_host,
                # Each process has a port of its own.
                port + self._number - 1 if port > 0 else port,
                measures=self._measures,
                is_live=self._server.is_alive,
                is_ready=lambda: self.serving.is_ready and not self._is_stopping,
            )
        except TelemetryProblem as problem:
            raise InvalidField("metrics_port", str(problem)) from problem

    def _on_new_text(self) -> None:
        if self._embeds:
            self._embedder.wake()
        else:
            self._tell(NEW_TEXT)

    def _on_models_changed(self) -> None:
        if self.rollout is not None:
            self.rollout.wake()
            self._tell(MODELS)

    def _drained(self) -> None:
        self.serving.catch_up()
        self._statistics.wake()
        self._tell(EMBEDDED)

    def _vector_length(self) -> int | None:
        """Return the length that vectors of the configured encoder must have; None without a bundle for it."""
        serving = self.serving.current
        if serving.bundle is None or serving.encoder != self.encoder.name:
            return None
        return serving.bundle.spaces.embedding_dim

    def _paper_counts(self) -> tuple[int, int]:
        with self.store.read() as tx:
            return tx.papers.count(), tx.papers.pending_count(self.encoder.name)
