"""The audit log in the database."""

import datetime as dt

from sqlalchemy import Connection, select

from database.statements import from_row, to_row
from service.domain.callers import AuditEntry
from service.storage.tables import audit_log


class SqlAudit:
    """``service.app.ports.AuditStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entry: AuditEntry) -> None:
        self._connection.execute(audit_log.insert(), to_row(entry))

    def newest(
        self, *, limit: int, since: dt.datetime | None = None, action: str = "", target: str = ""
    ) -> list[AuditEntry]:
        statement = select(audit_log).order_by(audit_log.c.sequence.desc()).limit(limit)
        if since is not None:
            statement = statement.where(audit_log.c.recorded_at >= since)
        if action:
            statement = statement.where(audit_log.c.action == action)
        if target:
            statement = statement.where(audit_log.c.target == target)
        return [from_row(AuditEntry, row) for row in self._connection.execute(statement)]
