"""The database fixtures that the contract tests share."""

from tests.store_fixtures import databases, sql_store, sqlite_url, store_url

__all__ = ["databases", "sql_store", "sqlite_url", "store_url"]
