"""Synced libraries in the database."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select

from database.statements import chunks, from_row, put_rows, rows_in, to_row
from service.domain.libraries import LibraryCollection, LibraryItem, LibrarySource
from service.storage.tables import library_collections, library_items, library_sources


class SqlLibraries:
    """``service.app.ports.LibraryStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, user_id: str, source: str) -> LibrarySource | None:
        statement = select(library_sources).where(_is_of(library_sources, user_id, source))
        row = self._connection.execute(statement).first()
        return None if row is None else from_row(LibrarySource, row)

    def of_user(self, user_id: str) -> list[LibrarySource]:
        statement = select(library_sources).where(library_sources.c.user_id == user_id)
        rows = self._connection.execute(statement.order_by(library_sources.c.source))
        return [from_row(LibrarySource, row) for row in rows]

    def save(self, library: LibrarySource) -> None:
        put_rows(self._connection, library_sources, [to_row(library)])

    def items(self, user_id: str, source: str) -> dict[str, LibraryItem]:
        rows = self._connection.execute(select(library_items).where(_is_of(library_items, user_id, source)))
        return {row.item_key: from_row(LibraryItem, row) for row in rows}

    def put_items(self, user_id: str, source: str, items: Sequence[LibraryItem]) -> None:
        rows = [to_row(item, user_id=user_id, source=source) for item in items]
        put_rows(self._connection, library_items, rows)

    def drop_items(self, user_id: str, source: str, item_keys: Sequence[str]) -> None:
        for chunk in chunks(item_keys):
            gone = and_(_is_of(library_items, user_id, source), library_items.c.item_key.in_(chunk))
            self._connection.execute(delete(library_items).where(gone))

    def held(self, user_id: str, paper_ids: Collection[str]) -> set[str]:
        statement = select(library_items.c.paper_id).where(library_items.c.user_id == user_id)
        rows = rows_in(self._connection, statement, library_items.c.paper_id, list(paper_ids))
        return {row.paper_id for row in rows}

    def collections(self, user_id: str, source: str) -> list[LibraryCollection]:
        own = _is_of(library_collections, user_id, source)
        statement = select(library_collections).where(own).order_by(library_collections.c.collection_key)
        return [from_row(LibraryCollection, row) for row in self._connection.execute(statement)]

    def replace_collections(self, user_id: str, source: str, collections: Sequence[LibraryCollection]) -> None:
        self._connection.execute(delete(library_collections).where(_is_of(library_collections, user_id, source)))
        rows = [to_row(collection, user_id=user_id, source=source) for collection in collections]
        put_rows(self._connection, library_collections, rows)


def _is_of(table: Table, user_id: str, source: str) -> ColumnElement[bool]:
    return and_(table.c.user_id == user_id, table.c.source == source)
