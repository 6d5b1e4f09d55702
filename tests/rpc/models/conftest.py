"""Servers with a model registry, and bundles to register."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ranker.bundle.bundle import load_bundle
from service.encoder import HashingEncoder
from testing.bundles import write_tiny_bundle
from testing.calls import make_digest, make_papers, record, upsert_ready
from testing.servers import Service


@pytest.fixture(scope="session")
def rivals(tiny_bundle: Path) -> list[Path]:
    """Two bundles that fit the hashing encoder, of other versions than ``tiny_bundle``."""
    text = load_bundle(tiny_bundle, encoder=None).model.text
    folders = [tiny_bundle.with_name(name) for name in ("second", "third")]
    for folder in folders:
        write_tiny_bundle(folder, encoder_name=HashingEncoder.name, model_text=text, recipe=folder.name)
    return folders


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the registry."""
    return tmp_path / "registry"


@pytest.fixture
def registered(start: Callable[..., Service], tiny_bundle: Path, place: Path) -> Service:
    """A server of the test's own with a registry, in which ``tiny_bundle`` serves, a digest and users with likes."""
    service = start(bundle=str(tiny_bundle), registry=str(place))
    paper_ids = upsert_ready(service.client, make_papers(16))
    make_digest(service.client, paper_ids[6:], digest_id="d1")
    for user in USERS:
        record(service.client, user, "like", *paper_ids[:5])
    return service


USERS = [f"user-{number}" for number in range(12)]
