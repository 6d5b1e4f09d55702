"""The mailer's own database, on SQLite or PostgreSQL."""

from mailer.storage.store import MailStore, open_store

__all__ = ["MailStore", "open_store"]
