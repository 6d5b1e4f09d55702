"""The stores that data sets are read from."""

from tests.store_fixtures import databases, sql_store, sqlite_url, store_url

__all__ = ["databases", "sql_store", "sqlite_url", "store_url"]
