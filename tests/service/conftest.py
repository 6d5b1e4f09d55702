from collections.abc import Iterator
from pathlib import Path

import pytest

from service.storage import SqlStore, open_store, schema


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """An empty database."""
    url = f"sqlite:///{tmp_path / 'papers.db'}"
    schema.upgrade(url)
    store = open_store(url)
    yield store
    store.dispose()
