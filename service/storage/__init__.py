"""The database: SQLite or PostgreSQL behind ``service.app.ports.Store``. The only part that speaks SQL."""

from service.storage.store import SqlStore, open_store

__all__ = ["SqlStore", "open_store"]
