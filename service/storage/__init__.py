"""``service.app.ports.Store`` on SQLite or PostgreSQL. Only this package contains SQL."""

from service.storage.store import SqlStore, open_store

__all__ = ["SqlStore", "open_store"]
