"""API keys in the database."""

import datetime as dt
from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, or_, select, update

from database.statements import from_row, to_row
from service.domain.callers import ApiKey
from service.storage.tables import api_keys

_NOTE_USE = (
    update(api_keys)
    .where(
        api_keys.c.key_id == bindparam("key"),
        or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < bindparam("used_at")),
    )
    .values(last_used_at=bindparam("used_at"))
)


class SqlKeys:
    """``service.app.ports.KeyStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, key: ApiKey) -> None:
        self._connection.execute(api_keys.insert(), to_row(key))

    def all(self) -> list[ApiKey]:
        rows = self._connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id))
        return [from_row(ApiKey, row) for row in rows]

    def revoke(self, key_id: str, now: dt.datetime) -> bool:
        is_known = self._connection.scalar(select(api_keys.c.key_id).where(api_keys.c.key_id == key_id)) is not None
        is_in_force = (api_keys.c.key_id == key_id) & api_keys.c.revoked_at.is_(None)
        self._connection.execute(update(api_keys).where(is_in_force).values(revoked_at=now))
        return is_known

    def note_use(self, used: Mapping[str, dt.datetime]) -> None:
        # In the order of their ids, so that two processes cannot deadlock.
        rows = [{"key": key_id, "used_at": used[key_id]} for key_id in sorted(used)]
        if rows:
            self._connection.execute(_NOTE_USE, rows)
