from pathlib import Path

import pytest

from ranker.bundle.bundle import Bundle
from testing.ranker import bundle, model_text


@pytest.fixture(scope="session")
def small_model_text() -> str:
    """The text of a small trained model."""
    return model_text()


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory, small_model_text: str) -> Bundle:
    """A small loaded bundle."""
    return bundle(tmp_path_factory.mktemp("bundles") / "small", small_model_text)


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory, small_model_text: str) -> Path:
    """The folder of a small valid bundle; tests copy it before they damage it."""
    folder = tmp_path_factory.mktemp("bundles") / "sound"
    bundle(folder, small_model_text)
    return folder
