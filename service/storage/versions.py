"""Versions of all that a feed is made from, in one statement: a statement costs as much as ranking twenty papers."""

from typing import Any

from sqlalchemy import Connection, ScalarSelect, Select, bindparam, func, literal, select, true

from service.app.ports import Versions
from service.storage.digests import VERSION_OF_NEWEST, VERSION_OF_ONE
from service.storage.tables import events, precomputed_slates, signal_changes, users


def _statement(digest: Select[tuple[str, int, object]]) -> Select[tuple[object, ...]]:
    found = digest.subquery()
    anyway = select(literal(1).label("one")).subquery()
    made_ahead = (
        select(precomputed_slates.c.user_id)
        .where(
            precomputed_slates.c.user_id == bindparam("user_id"), precomputed_slates.c.digest_id == found.c.digest_id
        )
        .correlate(found)
        .exists()
    )
    return select(
        select(users.c.version).where(users.c.user_id == bindparam("user_id")).scalar_subquery(),
        found.c.digest_id,
        found.c.version,
        found.c.date,
        *MARK,
        made_ahead,
    ).select_from(anyway.outerjoin(found, true()))


MARK: tuple[ScalarSelect[int], ScalarSelect[int]] = (
    select(func.coalesce(func.max(signal_changes.c.version), 0)).scalar_subquery(),
    select(func.coalesce(func.max(events.c.sequence), 0)).scalar_subquery(),
)
_WITH_ONE = _statement(VERSION_OF_ONE)
_WITH_NEWEST = _statement(VERSION_OF_NEWEST)


def find_versions(connection: Connection, user_id: str, digest_id: str) -> Versions:
    """See ``service.app.ports.Transaction.versions``."""
    statement = _WITH_ONE if digest_id else _WITH_NEWEST
    asked = {"user_id": user_id, "digest_id": digest_id} if digest_id else {"user_id": user_id}
    row: Any = connection.execute(statement, asked).one()
    user, found_id, version, date, changes, sequence, made_ahead = row
    digest = None if found_id is None else (found_id, version, date)
    return Versions(user, digest, (changes, sequence), bool(made_ahead))
