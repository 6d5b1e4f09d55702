"""Servers that identify their callers by API key."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from service.storage import schema
from testing.servers import Service, copied, serving
from tests.databases import ENGINES, postgres_schema, require_postgres
from tests.rpc.callers.builders import Keys, make_keys
from tests.store_fixtures import databases, sql_store, store_url

__all__ = ["databases", "guarded", "sql_store", "store_url"]


@dataclass(frozen=True)
class Guarded:
    """A server that requires API keys, keys of its database, and a channel that sends none."""

    service: Service
    keys: Keys
    channel: grpc.Channel


@pytest.fixture(scope="session", params=ENGINES)
def guarded(
    request: pytest.FixtureRequest, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """A shared server on each engine in turn."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = copied(empty_database, tmp_path_factory.mktemp("guarded"))
        else:
            require_postgres()
            url = stack.enter_context(postgres_schema())
            schema.upgrade(url)
        keys = make_keys(url)
        service = stack.enter_context(serving(url, auth="keys"))
        yield Guarded(service, keys, stack.enter_context(grpc.insecure_channel(service.target)))
