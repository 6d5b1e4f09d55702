"""Folders of the registry, on a local path and at an fsspec URL."""

import secrets
from pathlib import Path

import pytest

from ranker.bundle.bundle import bundle_files, content_of
from ranker.bundle.manifest import MODEL_NAME
from service.domain.errors import BundleUnusable
from service.storage.registry.folders import open_folders
from testing.ranker import bundle, model_text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle."""
    folder = tmp_path_factory.mktemp("bundle") / "made"
    bundle(folder, model_text())
    return folder


@pytest.fixture(params=["path", "url"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty registry."""
    return f"memory://{secrets.token_hex(4)}/models" if request.param == "url" else str(tmp_path / "models")


def test_files_come_back(place: str, made: Path, tmp_path: Path) -> None:
    """What one process stores, another one finds; storing it again changes nothing."""
    files = bundle_files(made)
    content = content_of(files, made)
    for _ in range(2):
        open_folders(place, tmp_path / "first").put(content, files)

    found = open_folders(place, tmp_path / "second").folder(content)

    assert bundle_files(found) == files
    assert found.name == content
    assert [file.name for file in found.parent.iterdir()] == [content]


def test_a_damaged_local_copy_is_replaced(place: str, made: Path, tmp_path: Path) -> None:
    """A damaged copy is fetched again from a URL; on a path, storing the bundle again repairs it."""
    files = bundle_files(made)
    content = content_of(files, made)
    folders = open_folders(place, tmp_path / "cache")
    folders.put(content, files)
    (folders.folder(content) / MODEL_NAME).write_text("damaged")

    folders.put(content, files)

    assert bundle_files(folders.folder(content)) == files


@pytest.mark.parametrize("name", ["0" * 64, "../secrets", "", "A" * 64])
def test_other_names(place: str, tmp_path: Path, name: str) -> None:
    """A folder that is not there, and a name that is no hash, are refused."""
    with pytest.raises(BundleUnusable, match=r"has no folder|is not the SHA-256"):
        open_folders(place, tmp_path / "cache").folder(name)


def test_places_that_cannot_be_used(made: Path, tmp_path: Path) -> None:
    """An unknown kind of URL and a path below a file are reported."""
    files = bundle_files(made)
    (tmp_path / "file").touch()

    with pytest.raises(BundleUnusable, match="nowhere://x cannot be opened"):
        open_folders("nowhere://x", tmp_path)
    with pytest.raises(BundleUnusable, match="cannot write to the registry"):
        open_folders(str(tmp_path / "file" / "models"), tmp_path).put(content_of(files, made), files)


def test_errors_do_not_show_a_password(made: Path, tmp_path: Path) -> None:
    """A URL may hold a password, which must not reach logs, the registry's log and callers of GetStatus."""
    secret = "nowhere://user:sesame@example.org/models"
    known = open_folders(f"memory://user:sesame@{secrets.token_hex(4)}/models", tmp_path / "cache")

    with pytest.raises(BundleUnusable) as unknown_scheme:
        open_folders(secret, tmp_path)
    with pytest.raises(BundleUnusable) as missing:
        known.folder("0" * 64)

    assert "nowhere://***@example.org/models" in unknown_scheme.value.message
    assert "memory://***@" in missing.value.message
    assert "sesame" not in unknown_scheme.value.message


def test_a_removed_folder_is_gone(place: str, made: Path, tmp_path: Path) -> None:
    """A removed folder is gone from the registry and the cache; to remove it again does nothing; it may come back."""
    files = bundle_files(made)
    content = content_of(files, made)
    folders = open_folders(place, tmp_path / "cache")
    assert not folders.remove(content)
    folders.put(content, files)
    kept = folders.folder(content).parent

    assert folders.remove(content)

    assert list(kept.iterdir()) == []
    with pytest.raises(BundleUnusable, match="has no folder"):
        folders.folder(content)
    assert not folders.remove(content)
    folders.put(content, files)
    assert bundle_files(folders.folder(content)) == files
    with pytest.raises(BundleUnusable, match="is not the SHA-256"):
        folders.remove("../other")
