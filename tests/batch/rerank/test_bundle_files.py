"""The bundle of a job: one read, so that its version is that of the bytes that workers get."""

import shutil
from pathlib import Path

import pytest

from ranker.bundle.bundle import bundle_files, bundle_of, default_bundle_path, load_bundle
from ranker.errors import BundleError
from service.encoder import HashingEncoder


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle, to change."""
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def test_version_is_that_of_the_bytes(copy: Path) -> None:
    """If another bundle replaces the folder after the read, the bytes still give the version of the job."""
    files = bundle_files(copy)
    found = bundle_of(files, copy, encoder=HashingEncoder.name)
    shutil.rmtree(copy)
    shutil.copytree(default_bundle_path(), copy)

    sent = bundle_of(files, copy, encoder=HashingEncoder.name)

    assert (sent.version, sent.features_version) == (found.version, found.features_version)
    assert load_bundle(copy, encoder=None).version != found.version


def test_errors_name_the_folder(copy: Path) -> None:
    """Errors about another encoder, a damaged and a missing file name the file in the bundle's folder."""
    with pytest.raises(BundleError, match=f"^{copy}/manifest.json: was trained on vectors of"):
        bundle_of(bundle_files(copy), copy, encoder="another")
    (copy / "model.txt").write_bytes(b"damaged")
    with pytest.raises(BundleError, match=f"^{copy}/model.txt: is damaged"):
        bundle_of(bundle_files(copy), copy, encoder=HashingEncoder.name)
    (copy / "model.txt").unlink()
    with pytest.raises(BundleError, match=f"^{copy}/model.txt: cannot be read"):
        bundle_files(copy)
