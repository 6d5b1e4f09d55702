"""Opens the database and the registry of a service for commands that need no server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from service.app.models.registry import Registry
    from service.config import Settings
    from service.storage import SqlStore


class Opened(NamedTuple):
    """A database and the registry in it."""

    store: "SqlStore"
    registry: "Registry"


@contextmanager
def opened_registry(settings: "Settings") -> Iterator[Opened]:
    """Open the database and the registry that the settings name, and close the database at the end.

    Raises:
        InvalidField: The settings name no registry.
        SchemaMismatch: The database has the schema of another version.
        StorageUnavailable: The database does not exist or does not answer.
    """
    from service.bootstrap import make_registry
    from service.domain.errors import InvalidField
    from service.storage import open_store, schema

    schema.check(settings.db)
    with open_store(settings.db, pool_size=2) as store:
        registry = make_registry(settings, store, None)
        if registry is None:
            raise InvalidField("PAPERFEED_REGISTRY", "is not set; give the folder or URL of the server's registry")
        yield Opened(store, registry)
