"""The model registry: which bundles there are, which of them serve, and every decision about them."""

import datetime as dt
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from ranker.bundle.bundle import Bundle, bundle_files, bundle_of
from ranker.errors import BundleError
from service.app.models.checked import checked_bundle, plain_json
from service.app.ports import BundleFolders, Clock, Store, Transaction
from service.domain.errors import (
    BundleRejected,
    BundleUnusable,
    InvalidField,
    NotFound,
    WrongModelState,
)
from service.domain.models import (
    GATE_OUTCOMES,
    Aliases,
    Canary,
    ModelLogEntry,
    ModelRecord,
    ModelState,
    NewModel,
)

MAX_MODELS = 10_000
MAX_FAILURES = 3


class Registry:
    """Registered bundles, the aliases ``serving``, ``previous`` and ``canary``, and the log. Thread safe.

    Every method that changes something appends to the log and takes the ``actor``: the person, key or program to name
    there. ``evidence`` is a JSON object with the reasons.

    Args:
        encoder: Name of the encoder that bundles must fit; None registers bundles of every encoder.
    """

    def __init__(self, store: Store, clock: Clock, folders: BundleFolders, encoder: str | None) -> None:
        self._store = store
        self._clock = clock
        self._folders = folders
        self._encoder = encoder

    def register(self, folder: Path, actor: str) -> ModelRecord:
        """Check the bundle in a folder, copy it into the registry, and return its record.

        The same content again, apart from its time of training, returns the record that exists.

        Raises:
            BundleRejected: The bundle is damaged, too large, made for another encoder or feature schema, or its version
                is registered with other content.
        """
        files, model = checked_bundle(folder, self._encoder)
        self._folders.put(model.content_sha256, files)
        return self._add(model, actor)

    def register_stored(self, content_sha256: str, actor: str) -> ModelRecord:
        """Register a bundle whose folder is in the registry already; see ``register``.

        Raises:
            BundleRejected: See ``register``; also if the registry has no folder of this content.
        """
        try:
            folder = self._folders.folder(content_sha256)
        except BundleUnusable as error:
            raise BundleRejected(error.message) from error
        _, model = checked_bundle(folder, self._encoder)
        if model.content_sha256 != content_sha256:
            raise BundleRejected(f"the folder {content_sha256} has other content than its name says")
        return self._add(model, actor)

    def list_models(
        self, after: tuple[dt.datetime, str] | None = None, *, limit: int = MAX_MODELS
    ) -> list[ModelRecord]:
        """Return models, newest registration first; with ``after``, those that follow (registered_at, version)."""
        with self._store.read() as tx:
            return tx.models.newest(after, limit=limit)

    def get(self, version: str) -> ModelRecord:
        """Return the model of this version; raise NotFound if there is none."""
        with self._store.read() as tx:
            return _get(tx, version)

    def aliases(self) -> Aliases:
        """Return what the aliases point to."""
        with self._store.read() as tx:
            return tx.models.aliases()

    def folder_of(self, version: str) -> Path:
        """Return the local folder of a model's files. They are not checked; ``load`` does that.

        Raises:
            NotFound: There is no such model.
            BundleUnusable: The files are missing or cannot be copied.
        """
        return self._folders.folder(self.get(version).content_sha256)

    def load(self, version: str, encoder: str | None) -> Bundle:
        """Load the bundle of a model and check all its hashes.

        Raises:
            BundleUnusable: The files are missing or damaged, or do not fit the encoder.
        """
        try:
            content = self.get(version).content_sha256
            folder = self._folders.folder(content)
            bundle = bundle_of(bundle_files(folder), folder, encoder=encoder)
        except (BundleError, NotFound) as error:
            raise BundleUnusable(str(error)) from error
        if bundle.manifest.content_sha256 != content:
            raise BundleUnusable(f"{folder}: has other content than was registered as {version}")
        return bundle

    def record_gate(self, version: str, outcome: ModelState, evidence: Mapping[str, Any], actor: str) -> ModelRecord:
        """Record the outcome of a gate: GATED, REJECTED or INCONCLUSIVE.

        Raises:
            NotFound: There is no such model.
            WrongModelState: The model is the canary or serves.
        """
        if outcome not in GATE_OUTCOMES:
            raise ValueError(f"{outcome} is no outcome of a gate")
        with self._store.write() as tx:
            record = _locked(tx, version)
            if record.state in {ModelState.CANARY, ModelState.SERVING}:
                raise WrongModelState(version, record.state.name, "judge it by the gate before it serves")
            return self._change(tx, record, outcome, evidence, actor)

    def start_canary(
        self, version: str, share: float, actor: str, *, force: bool = False, evidence: Mapping[str, Any] | None = None
    ) -> ModelRecord:
        """Let a model rank for a share of the users, or change the share of the running canary.

        Args:
            share: Share of the users, above 0 and below 1.
            force: Start without a passed gate; the log then says ``forced``.

        Raises:
            NotFound: There is no such model.
            WrongModelState: Its gate has not passed, it serves already, or another canary is running.
        """
        if not 0.0 < share < 1.0:
            raise InvalidField("canary_share", f"is {share}; must be above 0 and below 1")
        with self._store.write() as tx:
            record, aliases = _locked(tx, version), tx.models.aliases()
            if aliases.canary is not None and aliases.canary.version != version:
                raise WrongModelState(aliases.canary.version, "CANARY", "end this canary before another starts")
            if record.state is ModelState.SERVING:
                raise WrongModelState(version, record.state.name, "it ranks for all users already")
            reasons = {"share": share} | _forced(tx, record, aliases, force=force) | dict(evidence or {})
            if aliases.canary is not None:
                experiment = aliases.canary.experiment_id
                changed = self._change(tx, record, ModelState.CANARY, reasons, actor)
            else:
                number = self._append(tx, record, ModelState.CANARY, reasons, actor)
                experiment = f"{version}/{number}"
                tx.models.change(version, ModelState.CANARY, gate_passed=record.gate_passed)
                changed = _get(tx, version)
            tx.models.put_aliases(aliases.serving, aliases.previous, Canary(version, share, experiment))
            return changed

    def promote(
        self,
        version: str,
        actor: str,
        *,
        force: bool = False,
        evidence: Mapping[str, Any] | None = None,
        experiment_id: str | None = None,
    ) -> ModelRecord:
        """Make a model the serving one; the one that served becomes ``previous``. A running canary ends.

        If the model serves already, nothing changes.

        Args:
            force: Promote without a passed gate; the log then says ``forced``.
            experiment_id: Promote only if this experiment is still running; None promotes in any case.

        Raises:
            NotFound: There is no such model.
            WrongModelState: Its gate has not passed, or the experiment has ended.
        """
        with self._store.write() as tx:
            record, aliases = _locked(tx, version), tx.models.aliases()
            _check_running(record, aliases, experiment_id)
            if aliases.serving == version:
                return record
            reasons = _forced(tx, record, aliases, force=force) | dict(evidence or {})
            if aliases.canary is not None and aliases.canary.version != version:
                self._end_canary(tx, aliases, actor, {"promoted": version})
            return self._serve(tx, record, aliases.serving, aliases.serving, reasons, actor)

    def rollback(
        self,
        from_version: str,
        actor: str,
        evidence: Mapping[str, Any] | None = None,
        *,
        experiment_id: str | None = None,
    ) -> ModelRecord:
        """Take back a model: the previous one serves again, or, if ``from_version`` is the canary, the canary ends.

        If ``from_version`` neither serves nor is the canary, nothing changes, so a repeated call takes back no second
        model. Return the model that serves after the call.

        Args:
            experiment_id: Take the model back only if this experiment is still running; None takes it back in any case.

        Raises:
            NotFound: There is no such model, or none serves.
            WrongModelState: No model served before it, or the experiment has ended.
        """
        reasons = dict(evidence or {})
        with self._store.write() as tx:
            record, aliases = _locked(tx, from_version), tx.models.aliases()
            _check_running(record, aliases, experiment_id)
            if aliases.canary is not None and aliases.canary.version == from_version:
                self._end_canary(tx, aliases, actor, reasons)
            elif aliases.serving == from_version:
                if aliases.previous is None:
                    raise WrongModelState(from_version, record.state.name, "no model served before it")
                self._end_canary(tx, aliases, actor, {"rolled_back": from_version})
                previous = _get(tx, aliases.previous)
                return self._serve(tx, previous, from_version, None, {"rolled_back": from_version} | reasons, actor)
            if aliases.serving is None:
                raise NotFound("model", "serving")
            return _get(tx, aliases.serving)

    def log(self, version: str | None = None, *, after: int = 0, limit: int | None = None) -> list[ModelLogEntry]:
        """Return log entries after this number, oldest first, of one model or of all."""
        with self._store.read() as tx:
            if version is not None:
                _get(tx, version)
            return tx.models.log(version, after=after, limit=limit)

    def serve_first(self, folder: Path, actor: str) -> None:
        """Register the bundle in a folder and make it the serving one, if no model serves yet.

        Raises:
            BundleRejected: See ``register``.
        """
        if self.aliases().serving is not None:
            return
        version = self.register(folder, actor).version
        with self._store.write() as tx:
            record, aliases = _locked(tx, version), tx.models.aliases()
            if aliases.serving is None:
                self._serve(tx, record, None, None, {"first": True}, actor)

    def record_failure(self, version: str, problem: str, actor: str) -> None:
        """Append that a server cannot load a model, unless the actor has said so since the last change of its state.

        An actor may append ``MAX_FAILURES`` different problems: the text of some problems differs at every attempt.
        """
        with self._store.write() as tx:
            record = _locked(tx, version)
            evidence = {"load_failed": problem}
            recent = takewhile(lambda entry: entry.from_state is entry.to_state, reversed(tx.models.log(version)))
            said = [
                dict(entry.evidence) for entry in recent if entry.actor == actor and "load_failed" in entry.evidence
            ]
            if evidence not in said and len(said) < MAX_FAILURES:
                self._append(tx, record, record.state, evidence, actor)

    def _add(self, model: NewModel, actor: str) -> ModelRecord:
        with self._store.write() as tx:
            tx.models.lock()
            found = tx.models.find(model.version)
            if found is None:
                found = tx.models.add(model, now=self._clock.now())
                evidence = {"content_sha256": model.content_sha256, "size_bytes": model.size_bytes}
                tx.models.append(model.version, None, found.state, evidence, actor=actor, at=found.registered_at)
            elif found.content_sha256 != model.content_sha256:
                raise BundleRejected(f"version {model.version} is registered with other content")
            return found

    def _serve(
        self,
        tx: Transaction,
        record: ModelRecord,
        replaced: str | None,
        previous: str | None,
        evidence: Mapping[str, Any],
        actor: str,
    ) -> ModelRecord:
        """Make a model the serving one, and retire the model that it replaces."""
        if replaced is not None:
            self._change(tx, _get(tx, replaced), ModelState.RETIRED, {"replaced_by": record.version}, actor)
        tx.models.put_aliases(record.version, previous, None)
        return self._change(tx, record, ModelState.SERVING, evidence, actor)

    def _end_canary(self, tx: Transaction, aliases: Aliases, actor: str, evidence: Mapping[str, Any]) -> None:
        if aliases.canary is not None:
            tx.models.put_aliases(aliases.serving, aliases.previous, None)
            self._change(tx, _get(tx, aliases.canary.version), ModelState.RETIRED, evidence, actor)

    def _change(
        self, tx: Transaction, record: ModelRecord, state: ModelState, evidence: Mapping[str, Any], actor: str
    ) -> ModelRecord:
        self._append(tx, record, state, evidence, actor)
        passed = record.gate_passed and state in {ModelState.CANARY, ModelState.SERVING}
        tx.models.change(record.version, state, gate_passed=passed or state is ModelState.GATED)
        return _get(tx, record.version)

    def _append(
        self, tx: Transaction, record: ModelRecord, state: ModelState, evidence: Mapping[str, Any], actor: str
    ) -> int:
        known = plain_json(dict(evidence))
        return tx.models.append(record.version, record.state, state, known, actor=actor, at=self._clock.now())


def _get(tx: Transaction, version: str) -> ModelRecord:
    record = tx.models.find(version)
    if record is None:
        raise NotFound("model", version, field="model_version")
    return record


def _locked(tx: Transaction, version: str) -> ModelRecord:
    tx.models.lock()
    return _get(tx, version)


def _check_running(record: ModelRecord, aliases: Aliases, experiment_id: str | None) -> None:
    """Raise WrongModelState if a judged experiment has ended meanwhile; None checks nothing."""
    running = None if aliases.canary is None else aliases.canary.experiment_id
    if experiment_id is not None and running != experiment_id:
        raise WrongModelState(record.version, record.state.name, "the canary that was judged has ended")


def _forced(tx: Transaction, record: ModelRecord, aliases: Aliases, *, force: bool) -> dict[str, Any]:
    """Return the trace of a missing gate; raise WrongModelState if it is missing and the change is not forced."""
    problem = _gate_problem(tx, record, aliases.serving)
    if not problem:
        return {}
    if not force:
        raise WrongModelState(record.version, record.state.name, f"{problem}; force overrides that")
    return {"forced": True, "state_before": record.state.value}


def _gate_problem(tx: Transaction, record: ModelRecord, serving: str | None) -> str:
    """Return why the model has not passed a gate against the model that serves; empty if it has."""
    if not record.gate_passed:
        return "its gate has not passed"
    passed = [entry for entry in tx.models.log(record.version) if entry.to_state is ModelState.GATED]
    rival = passed[-1].evidence.get("serving") if passed else None
    if serving is None or rival in {None, serving}:
        return ""
    return f"its gate compared it with {rival}, which does not serve now; check it again"
