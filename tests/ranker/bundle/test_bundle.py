import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranker.bundle.bundle import default_bundle_path, load_bundle, write_bundle
from ranker.bundle.manifest import (
    MANIFEST_NAME,
    MODEL_NAME,
    SPACES_NAME,
    _render,
    file_entry,
    read_manifest,
    write_manifest,
)
from ranker.bundle.spaces_file import read_spaces, spaces_bytes
from ranker.errors import BundleError, EncoderMismatch
from ranker.features import SCHEMA
from ranker.spaces.spaces import Spaces
from testing.ranker import DIM, ENCODER, FACTORS, USERS, bundle, columns, spaces, topics

FILES = (MANIFEST_NAME, MODEL_NAME, SPACES_NAME)


@pytest.fixture
def folder(bundle_folder: Path, tmp_path: Path) -> Path:
    """A sound bundle of one's own."""
    return shutil.copytree(bundle_folder, tmp_path / "bundle")


def reseal(folder: Path, **changes: object) -> None:
    """Changes fields of the manifest and makes its hashes right again, as a careless tool would."""
    fields = {**vars(read_manifest(folder / MANIFEST_NAME)), **changes}
    fields["files"] = {name: file_entry((folder / name).read_bytes()) for name in (MODEL_NAME, SPACES_NAME)}
    (folder / MANIFEST_NAME).write_bytes(write_manifest(type(read_manifest(folder / MANIFEST_NAME))(**fields)))


def test_round_trip(small_bundle_again: tuple[Path, Spaces]) -> None:
    """What was written is what is loaded."""
    path, written = small_bundle_again
    loaded = load_bundle(path, encoder=None)
    assert np.array_equal(loaded.spaces.idf, written.idf)
    assert np.array_equal(loaded.spaces.whitening_matrix, written.whitening_matrix)
    assert loaded.manifest.feature_names == SCHEMA.names
    assert loaded.encoder_name == ENCODER
    assert loaded.version.startswith("test-")


@pytest.fixture
def small_bundle_again(tmp_path: Path, small_model_text: str) -> tuple[Path, Spaces]:
    """A bundle just written."""
    bundle(tmp_path / "b", small_model_text)
    return tmp_path / "b", spaces()


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(name=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_changed_byte_is_refused(folder: Path, name: str, place: float, flip: int) -> None:
    """One byte changed anywhere in any file is refused, and the error names a file of the bundle."""
    file = folder / name
    data = file.read_bytes()
    index = int(place * len(data))
    file.write_bytes(data[:index] + bytes([data[index] ^ flip]) + data[index + 1 :])
    try:
        with pytest.raises(BundleError) as caught:
            load_bundle(folder, encoder=ENCODER)
        assert caught.value.file.name in FILES
    finally:
        file.write_bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_missing_and_cut_files(folder: Path, name: str) -> None:
    """A file that is cut short, empty or missing is refused by name."""
    data = (folder / name).read_bytes()
    for part in (data[:-1], data[: len(data) // 2], b""):
        (folder / name).write_bytes(part)
        with pytest.raises(BundleError, match=name):
            load_bundle(folder, encoder=ENCODER)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(folder, encoder=ENCODER)


def test_no_folder(tmp_path: Path) -> None:
    """A path without a bundle is refused as such."""
    with pytest.raises(BundleError, match="is this a bundle folder"):
        load_bundle(tmp_path / "nowhere", encoder=None)


def test_other_encoder(folder: Path) -> None:
    """Another encoder is refused with both names."""
    with pytest.raises(EncoderMismatch, match=r"made-up-encoder.*other"):
        load_bundle(folder, encoder="other")


def test_other_features(folder: Path) -> None:
    """A bundle of other features is refused and the error names one that differs."""
    reseal(folder, feature_names=(*SCHEMA.names[:-1], "phase_of_the_moon"))
    with pytest.raises(BundleError, match="phase_of_the_moon"):
        load_bundle(folder, encoder=ENCODER)


def test_other_meaning_of_features(folder: Path) -> None:
    """Equal names with another schema hash are refused."""
    reseal(folder, schema_sha256="0" * 64)
    with pytest.raises(BundleError, match="another version of the features"):
        load_bundle(folder, encoder=ENCODER)


def test_newer_format(folder: Path) -> None:
    """A newer format version is refused as such, not as damage."""
    text = (folder / MANIFEST_NAME).read_text().replace('"format_version": 2', '"format_version": 3')
    (folder / MANIFEST_NAME).write_text(text)
    with pytest.raises(BundleError, match="format version 3"):
        load_bundle(folder, encoder=ENCODER)


def test_broken_trees_behind_right_hashes(folder: Path) -> None:
    """A model whose trees loop is refused even if every hash is right."""
    text = (folder / MODEL_NAME).read_text()
    start = text.index("left_child=") + len("left_child=")
    (folder / MODEL_NAME).write_text(text[:start] + "0" + text[text.index(" ", start) :])
    reseal(folder)
    with pytest.raises(BundleError, match=r"model.txt.*hang together"):
        load_bundle(folder, encoder=ENCODER)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"whitening_mean": np.zeros(3, np.float32)},
        {"idf": np.array([object()])},
        {"idf": np.full(2**18, np.nan, np.float32)},
        {"average_length": np.float64(0)},
        {"average_length": np.zeros(2)},
        {"topic_centroids": np.ones((4, 3), np.float32)},
        {"topic_centroids": np.full((4, DIM), 9, np.float32)},
        {"topic_centroids": np.full((4, DIM), np.nan, np.float32)},
        {"topic_names": np.array(["a", "b", "c"])},
        {"topic_names": np.array(["a", "b", "c", "a"])},
        {"topic_names": np.array([object()] * 4)},
        {"factor_buckets": np.array([3, 2], np.int32)},
        {"factor_buckets": np.arange(3, dtype=np.int32)},
        {"factor_vector_map": np.zeros((3, FACTORS), np.float16)},
        {"factor_vector_map": np.full((DIM, FACTORS), np.inf, np.float16)},
        {"factor_vector_map": np.zeros((DIM, FACTORS), np.float32)},
        {"factor_term_map": np.zeros((1, FACTORS), np.float16)},
        {"background_starts": np.array([0, 9, 4], np.int32)},
        {"background_columns": np.array([2**18], np.int32)},
        {"background_values": np.ones(2, np.float16)},
        {"background_factors": np.ones((2, FACTORS), np.float16)},
        {"background_factors": np.ones((60, FACTORS + 1), np.float16)},
        {"co_like_keys": np.array([2, 1], np.uint64)},
        {"co_like_keys": np.empty(0, np.uint64)},
        {"co_like_factors": np.ones((2, FACTORS), np.int8)},
        {"co_like_readers": np.ones((1, USERS), np.uint8)},
    ],
)
def test_wrong_arrays_behind_right_hashes(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrays that are missing, pickled, of the wrong shape or not finite are refused."""
    with np.load(io.BytesIO(spaces_bytes(spaces())), allow_pickle=False) as archive:
        good = {name: archive[name] for name in archive.files}
    np.savez(folder / SPACES_NAME, **({**good, **arrays} if arrays else {}))
    reseal(folder)
    with pytest.raises(BundleError, match=r"spaces\.npz"):
        load_bundle(folder, encoder=ENCODER)


@pytest.mark.parametrize("lost", ["factor_vector_map", "factor_term_map", "background_values", "co_like_readers"])
def test_lost_arrays_behind_right_hashes(folder: Path, lost: str) -> None:
    """A part of which an array is missing is refused, not read as absent."""
    with np.load(io.BytesIO(spaces_bytes(spaces())), allow_pickle=False) as archive:
        np.savez(folder / SPACES_NAME, **{name: archive[name] for name in archive.files if name != lost})
    reseal(folder)
    with pytest.raises(BundleError, match=r"spaces\.npz"):
        load_bundle(folder, encoder=ENCODER)


def test_learned_parts_come_back(folder: Path) -> None:
    """Map, background and co-likes are read as they were written, bit for bit, and papers lie where they lay."""
    written, found = spaces(), load_bundle(folder, encoder=ENCODER).spaces
    for one, other in (
        (written.factor_map, found.factor_map),
        (written.background, found.background),
        (written.co_likes, found.co_likes),
    ):
        assert one is not None
        assert other is not None
        for name, value in vars(one).items():
            if isinstance(value, np.ndarray):
                assert np.array_equal(value, getattr(other, name)), name
    one, other = (each.matrix(columns(20)).completed() for each in (written, found))
    assert np.array_equal(one.word_density, other.word_density)
    assert np.array_equal(one.user_factors, other.user_factors)
    bare = read_spaces(
        folder / SPACES_NAME, spaces_bytes(replace(written, factor_map=None, background=None, co_likes=None)), DIM
    )
    assert (bare.factor_map, bare.background, bare.co_likes) == (None, None, None)


def test_topics_come_back(folder: Path) -> None:
    """Topics are read as they were written, and a bundle may have none."""
    assert load_bundle(folder, encoder=ENCODER).spaces.topics is not None
    found = load_bundle(folder, encoder=ENCODER).spaces.topics
    assert found is not None
    assert found.names == topics().names
    assert np.array_equal(found.centroids, topics().centroids)
    data = spaces_bytes(replace(spaces(), topics=None))
    assert read_spaces(folder / SPACES_NAME, data, DIM).topics is None


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"format_version": 2}', "[" * 100_000])
def test_manifests_that_are_none(folder: Path, text: str) -> None:
    """Whatever stands in the manifest, the answer is a BundleError."""
    (folder / MANIFEST_NAME).write_text(text)
    with pytest.raises(BundleError, match=MANIFEST_NAME):
        load_bundle(folder, encoder=None)


def test_sealed_manifest_with_wrong_types(folder: Path) -> None:
    """A manifest that is whole but holds the wrong types is refused."""
    fields = json.loads((folder / MANIFEST_NAME).read_text())
    del fields["manifest_sha256"]
    for name, value in (("feature_names", 3), ("files", []), ("encoder_name", None), ("embedding_dim", "x")):
        (folder / MANIFEST_NAME).write_bytes(_render({**fields, name: value}))
        with pytest.raises(BundleError):
            load_bundle(folder, encoder=ENCODER)


def test_written_whole_or_not_at_all(tmp_path: Path, small_model_text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves the bundle that stood there, and nothing beside it."""
    bundle(tmp_path / "b", small_model_text)
    before = {file.name: file.read_bytes() for file in (tmp_path / "b").iterdir()}

    def fail(_file_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        bundle(tmp_path / "b", small_model_text + "\n")
    assert {file.name: file.read_bytes() for file in (tmp_path / "b").iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["b"]


def test_equal_contents_equal_version(tmp_path: Path) -> None:
    """The version names the contents: it does not change with the time of writing, but with the model."""
    versions = [
        write_bundle(
            tmp_path / "b",
            model_text=text,
            spaces=spaces(),
            encoder_name=ENCODER,
            recipe="test",
            fingerprint="",
            created_at=when,
        ).version
        for text, when in (("a", "2024-01-01"), ("a", "2025-01-01"), ("b", "2024-01-01"))
    ]
    assert versions[0] == versions[1] != versions[2]


def test_shipped_bundle() -> None:
    """The bundle in the package loads, fits the features and is at most 10 MB."""
    loaded = load_bundle(default_bundle_path(), encoder="all-MiniLM-L6-v2")
    assert len(loaded.model.trees.leaf_counts) >= 50
    assert sum(file.stat().st_size for file in default_bundle_path().iterdir()) <= 10_000_000
