"""The stores of the contract tests."""

from tests.store_fixtures import databases, postgres_url, sql_store, sqlite_url, store, store_url

__all__ = ["databases", "postgres_url", "sql_store", "sqlite_url", "store", "store_url"]
