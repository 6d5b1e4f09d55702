"""Registered models, their aliases and their log in the database."""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_, update

from database.statements import from_row, to_row, wait_for_lock
from service.domain.models import Aliases, Canary, ModelLogEntry, ModelRecord, ModelState, NewModel
from service.storage.tables import model_aliases, model_log, models

_LOCK = 70460010
_ALIASES = select(model_aliases)
_LOG = select(model_log).order_by(model_log.c.number)
_MODELS = select(models)
_NEWEST = _MODELS.order_by(models.c.registered_at.desc(), models.c.version.desc())


class SqlModels:
    """``service.app.ports.ModelStore`` in one transaction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock(self) -> None:
        wait_for_lock(self._connection, _LOCK)

    def find(self, version: str) -> ModelRecord | None:
        row = self._connection.execute(_MODELS.where(models.c.version == version)).first()
        return None if row is None else from_row(ModelRecord, row)

    def newest(self, after: tuple[dt.datetime, str] | None, *, limit: int) -> list[ModelRecord]:
        statement = _NEWEST.limit(limit)
        if after is not None:
            statement = statement.where(tuple_(models.c.registered_at, models.c.version) < after)
        return [from_row(ModelRecord, row) for row in self._connection.execute(statement)]

    def add(self, model: NewModel, *, now: dt.datetime) -> ModelRecord:
        row = to_row(model, state=ModelState.REGISTERED, gate_passed=False, needs_retraining=False, registered_at=now)
        self._connection.execute(models.insert(), row)
        return ModelRecord(**row)

    def change(self, version: str, state: ModelState, *, gate_passed: bool) -> None:
        changed = update(models).where(models.c.version == version)
        self._connection.execute(changed.values(state=state, gate_passed=gate_passed))

    def mark_due(self, versions: Collection[str]) -> None:
        self._connection.execute(update(models).values(needs_retraining=models.c.version.in_(versions)))

    def aliases(self) -> Aliases:
        rows = {row.alias: row for row in self._connection.execute(_ALIASES)}
        canary = from_row(Canary, rows["canary"]) if "canary" in rows else None
        versions = {alias: row.version for alias, row in rows.items()}
        return Aliases(versions.get("serving"), versions.get("previous"), canary)

    def put_aliases(self, serving: str | None, previous: str | None, canary: Canary | None) -> None:
        self._connection.execute(delete(model_aliases))
        rows = [
            {"alias": alias, "version": version, "share": None, "experiment_id": None}
            for alias, version in (("serving", serving), ("previous", previous))
            if version is not None
        ]
        if canary is not None:
            rows.append({"alias": "canary"} | to_row(canary))
        if rows:
            self._connection.execute(model_aliases.insert(), rows)

    def append(
        self,
        version: str,
        from_state: ModelState | None,
        to_state: ModelState,
        evidence: Mapping[str, Any],
        *,
        actor: str,
        at: dt.datetime,
    ) -> int:
        row = {"version": version, "at": at, "actor": actor, "from_state": from_state, "to_state": to_state}
        inserted = model_log.insert().values(row | {"evidence": dict(evidence)}).returning(model_log.c.number)
        return int(self._connection.execute(inserted).scalar_one())

    def log(self, version: str | None = None, *, after: int = 0, limit: int | None = None) -> list[ModelLogEntry]:
        statement = _LOG.where(model_log.c.number > after).limit(limit)
        if version is not None:
            statement = statement.where(model_log.c.version == version)
        return [from_row(ModelLogEntry, row) for row in self._connection.execute(statement)]
