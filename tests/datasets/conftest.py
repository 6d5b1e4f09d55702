"""The database fixtures of the contract tests."""

from tests.contracts.conftest import (  # noqa: F401 - fixtures
    postgres_url,
    sql_store,
    sqlite_template,
    sqlite_url,
    store,
    store_url,
)
