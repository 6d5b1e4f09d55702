"""The thread that follows the registry's aliases: it loads, checks and warms bundles, and swaps them in."""

import contextlib
import logging
import time
from collections.abc import Callable

from ranker.bundle.bundle import Bundle
from service.app.models.registry import Registry
from service.app.models.warming import Warmer
from service.app.ranking.served_model import ServedModel
from service.app.ranking.serving import ServingSlot
from service.app.rounds import Rounds
from service.domain.errors import BundleUnusable, PaperfeedError, StorageUnavailable
from service.domain.models import Aliases, Canary

POLL_SECONDS = 1.0
"""Pause between two looks at the registry."""
RETRY_SECONDS = 15.0
"""Pause before a bundle that could not be loaded is tried again."""
MAX_PROBLEM_LENGTH = 1_000
_log = logging.getLogger("paperfeed.models")


class Rollout(Rounds):
    """A background thread of every server process, which serves what the registry's aliases point to.

    A bundle that cannot be loaded, or that fails to rank for recent users, changes nothing: the present one serves, and
    the log of the registry gets an entry.

    Args:
        actor: Names this process in the log of the registry.
    """

    def __init__(self, slot: ServingSlot, registry: Registry, warmer: Warmer, actor: str) -> None:
        super().__init__("models", _log, "following the model registry failed; it will be tried again", POLL_SECONDS)
        self._slot = slot
        self._registry = registry
        self._warmer = warmer
        self._actor = actor
        # By version: the problem, and the time of the next attempt.
        self._failed: dict[str, tuple[str, float]] = {}
        self.swap_count = 0
        """Number of bundles that this process has swapped in since its start."""

    @property
    def problem(self) -> str:
        """Why a bundle that an alias points to is not loaded; empty if all are."""
        return "; ".join(f"{version}: {problem}" for version, (problem, _) in dict(self._failed).items())

    def note_failure(self, version: str, problem: str) -> None:
        """Log that a bundle cannot be used, here and in the registry, each problem once."""
        problem = problem[:MAX_PROBLEM_LENGTH]
        if self._failed.get(version, ("", 0.0))[0] != problem:
            _log.error("model cannot be loaded", extra={"facts": {"model_version": version, "problem": problem}})
        self._failed[version] = (problem, time.monotonic() + RETRY_SECONDS)
        with contextlib.suppress(PaperfeedError):
            self._registry.record_failure(version, problem, self._actor)

    def _round(self) -> None:
        # The store logs each outage once. The next round tries again.
        with contextlib.suppress(StorageUnavailable):
            aliases = self._registry.aliases()
            wanted = {aliases.serving, aliases.canary and aliases.canary.version}
            self._failed = {version: failure for version, failure in self._failed.items() if version in wanted}
            self._follow_serving(aliases)
            self._follow_canary(aliases)

    def _follow_serving(self, aliases: Aliases) -> None:
        version, present = aliases.serving, self._slot.current.bundle
        if version is None:
            return
        if present is not None and present.version == version:
            self._failed.pop(version, None)
            return
        canary = self._slot.loaded_canary
        model = canary if canary is not None and canary.version == version else self._prepared(aliases, version)
        if model is not None and self._slot.swap(model):
            self._note_swap("serving", version)

    def _follow_canary(self, aliases: Aliases) -> None:
        split, present = aliases.canary, self._slot.canary
        if split == present:
            return
        loaded = self._slot.loaded_canary
        if split is None:
            self._slot.put_canary(None, None)
            _log.info("canary ended", extra={"facts": {"model_version": present.version if present else None}})
            return
        if loaded is not None and loaded.version == split.version:
            self._slot.put_canary(loaded, split)
            return
        model = self._prepared(aliases, split.version, split)
        if model is not None and self._slot.put_canary(model, split):
            self._note_swap("canary", split.version)
        elif present is not None and present.version != split.version:
            # The canary before this one has ended, whether or not the new one can be loaded.
            self._slot.put_canary(None, None)

    def _prepared(self, aliases: Aliases, version: str, split: Canary | None = None) -> ServedModel | None:
        """Return the loaded, checked and warm bundle.

        None if it cannot be used, if it failed a short time ago, or if the aliases have changed meanwhile.
        """
        if self._failed.get(version, ("", 0.0))[1] > time.monotonic():
            return None
        started = time.monotonic()
        ranks_for: Callable[[str], bool] = split.has if split is not None else lambda _: True
        try:
            model = self._slot.prepare(lambda encoder: self._registry.load(version, encoder))
            users = self._warmer.warm(model.current, ranks_for=ranks_for, stopping=self._is_called)
        except StorageUnavailable:
            raise
        except BundleUnusable as error:
            self.note_failure(version, error.message)
            return None
        except Exception as error:  # noqa: BLE001 -- a bundle that fails in any way must not serve
            self.note_failure(version, f"it fails to rank ({type(error).__name__}: {error})")
            return None
        self._failed.pop(version, None)
        facts = {"model_version": version, "users": users, "seconds": round(time.monotonic() - started, 2)}
        _log.info("model loaded and warm", extra={"facts": facts})
        if self._stopping.is_set():
            return None
        if self._registry.aliases() != aliases:
            # It may have been taken back while it was warmed, so it must not serve even for a moment.
            self.wake()
            return None
        return model

    def _is_called(self) -> bool:
        """Whether the thread must end, or the aliases have probably changed."""
        return self._stopping.is_set() or self._wake.is_set()

    def _note_swap(self, alias: str, version: str) -> None:
        self.swap_count += 1
        _log.info("model swapped in", extra={"facts": {"alias": alias, "model_version": version}})


def load_first(registry: Registry, encoder: str) -> Bundle:
    """Load the serving bundle, or the one before it if the serving one cannot be used.

    A new process thus ranks with the bundle that served last instead of without any. Its ``Rollout`` tries the serving
    one again and reports its problem.

    Raises:
        BundleUnusable: Neither can be used, or no model serves yet.
    """
    aliases = registry.aliases()
    if aliases.serving is None:
        raise BundleUnusable("no model of the registry serves yet; promote one")
    try:
        return registry.load(aliases.serving, encoder)
    except BundleUnusable as error:
        if aliases.previous is None:
            raise
        with contextlib.suppress(BundleUnusable):
            return registry.load(aliases.previous, encoder)
        raise error from None
