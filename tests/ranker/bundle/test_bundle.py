import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle, write_bundle
from ranker.bundle.manifest import (
    MANIFEST_NAME,
    MODEL_NAME,
    SPACES_NAME,
    Manifest,
    _render,
    file_entry,
    read_manifest,
    write_manifest,
)
from ranker.bundle.spaces_file import read_spaces, spaces_bytes
from ranker.errors import BundleError, EncoderMismatch
from ranker.features import SCHEMA
from ranker.spaces.spaces import Spaces
from testing.ranker import BASE, DIM, ENCODER, FACTORS, assert_close, bundle, columns, spaces, statistics, topics

FILES = (MANIFEST_NAME, MODEL_NAME, SPACES_NAME)


@pytest.fixture
def folder(bundle_folder: Path, tmp_path: Path) -> Path:
    """A copy of a valid bundle, for one test."""
    return shutil.copytree(bundle_folder, tmp_path / "bundle")


def reseal(folder: Path, **changes: object) -> None:
    """Change fields of the manifest and update all hashes."""
    file = folder / MANIFEST_NAME
    manifest = read_manifest(file, file.read_bytes())
    fields = {**vars(manifest), **changes}
    fields["files"] = {name: file_entry((folder / name).read_bytes()) for name in (MODEL_NAME, SPACES_NAME)}
    file.write_bytes(write_manifest(type(manifest)(**fields)))


def test_round_trip(small_bundle_again: tuple[Path, Spaces]) -> None:
    """A loaded bundle has the spaces, features and encoder that were written."""
    path, written = small_bundle_again
    loaded = load_bundle(path, encoder=None)
    assert np.array_equal(loaded.spaces.idf, written.idf)
    assert np.array_equal(loaded.spaces.whitening_matrix, written.whitening_matrix)
    assert {name: float(loaded.model.base[SCHEMA.names.index(name)]) for name in BASE} == BASE
    assert np.count_nonzero(loaded.model.base) == len(BASE)
    assert loaded.manifest.feature_names == SCHEMA.names
    assert loaded.encoder_name == ENCODER
    assert loaded.version.startswith("test-")


@pytest.fixture
def small_bundle_again(tmp_path: Path, small_model_text: str) -> tuple[Path, Spaces]:
    """A bundle that was just written, and its spaces."""
    bundle(tmp_path / "b", small_model_text)
    return tmp_path / "b", spaces()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_changed_byte_is_refused(folder: Path, name: str, place: float, flip: int) -> None:
    """A bundle with one changed byte in any file is refused, and the error names a file of the bundle."""
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
    """A bundle with a truncated, empty or missing file is refused, and the error names the file."""
    data = (folder / name).read_bytes()
    for part in (data[:-1], data[: len(data) // 2], b""):
        (folder / name).write_bytes(part)
        with pytest.raises(BundleError, match=name):
            load_bundle(folder, encoder=ENCODER)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(folder, encoder=ENCODER)


def test_no_folder(tmp_path: Path) -> None:
    """A folder that does not exist is refused, and named."""
    with pytest.raises(BundleError, match="nowhere: there is no such folder"):
        load_bundle(tmp_path / "nowhere", encoder=None)


def test_other_encoder(folder: Path) -> None:
    """A bundle for another encoder is refused with the names of both encoders."""
    with pytest.raises(EncoderMismatch, match=r"made-up-encoder.*other"):
        load_bundle(folder, encoder="other")


def test_other_features(folder: Path) -> None:
    """A bundle of other features is refused, and the error names a feature that differs."""
    reseal(folder, feature_names=(*SCHEMA.names[:-1], "phase_of_the_moon"))
    with pytest.raises(BundleError, match="phase_of_the_moon"):
        load_bundle(folder, encoder=ENCODER)


def test_other_meaning_of_features(folder: Path) -> None:
    """A bundle with equal feature names but another schema hash is refused."""
    reseal(folder, schema_sha256="0" * 64)
    with pytest.raises(BundleError, match="another version of the features"):
        load_bundle(folder, encoder=ENCODER)


@pytest.mark.parametrize("version", [1, 3, 5])
def test_other_formats(folder: Path, version: int) -> None:
    """A bundle of an older or newer format is refused for its format, with a sentence that says what to do."""
    file = folder / MANIFEST_NAME
    file.write_text(file.read_text().replace('"format_version": 4', f'"format_version": {version}'))
    with pytest.raises(BundleError, match=rf"format version {version}, but .* reads 4; train it again"):
        load_bundle(folder, encoder=ENCODER)


@pytest.mark.parametrize("base", [{"phase_of_the_moon": 1.0}, {"text_linear": float("nan")}, {"text_linear": 10**400}])
def test_wrong_base(folder: Path, base: dict[str, float]) -> None:
    """A base weight of an unknown feature, or that is not a finite number, is refused."""
    reseal(folder, base=base)
    with pytest.raises(BundleError, match="base weight"):
        load_bundle(folder, encoder=ENCODER)


def test_the_base_is_part_of_the_version(tmp_path: Path, small_model_text: str) -> None:
    """Bundles that differ in the base alone have other versions, but their features are the same."""
    one = bundle(tmp_path / "b", small_model_text)
    reseal(tmp_path / "b", base={**BASE, "text_linear": 1.0})
    other = load_bundle(tmp_path / "b", encoder=ENCODER)
    fields = {key: value for key, value in vars(other.manifest).items() if key not in {"format_version", "version"}}
    assert Manifest.of(**fields).version != one.version
    assert other.features_version == one.features_version


def test_adapted_to_a_catalog(small_bundle: Bundle) -> None:
    """An adapted bundle ranks with the catalog's statistics; its files, model and version are the same."""
    found = small_bundle.adapted(statistics(columns(3_000, seed=5)))
    assert not np.allclose(found.spaces.idf, small_bundle.spaces.idf)
    assert found.model is small_bundle.model
    assert found.version == small_bundle.version
    assert np.array_equal(found.adapted(None).spaces.idf, small_bundle.spaces.idf)


def test_broken_trees_behind_right_hashes(folder: Path) -> None:
    """A bundle whose trees have a loop is refused even if all hashes match."""
    text = (folder / MODEL_NAME).read_text()
    start = text.index("left_child=") + len("left_child=")
    (folder / MODEL_NAME).write_text(text[:start] + "0" + text[text.index(" ", start) :])
    reseal(folder)
    with pytest.raises(BundleError, match=r"model.txt.*broken structure"):
        load_bundle(folder, encoder=ENCODER)


@pytest.mark.parametrize(
    ("pattern", "replacement", "is_refused"),
    [
        (r"threshold=.*\n", "", True),
        (r"threshold=.*", "threshold=nonsense", True),
        (r"decision_type=\d+", "decision_type=1", True),
        (r"tree_sizes=.*", "tree_sizes=999999999", False),
        (r"tree_sizes=(.*)", r"tree_sizes=-\1", False),
        (r"feature_names=.*", "feature_names=x", False),
        (r"feature_infos=.*", "feature_infos=x", False),
    ],
    ids=["no thresholds", "no numbers", "categorical", "long", "negative", "names", "infos"],
)
def test_models_that_stop_lightgbm(folder: Path, pattern: str, replacement: str, *, is_refused: bool) -> None:
    """A model with right hashes on which LightGBM would end the process is refused, or scores as before."""
    before = load_bundle(folder, encoder=None).model
    file = folder / MODEL_NAME
    changed = re.sub(pattern, replacement, file.read_text(), count=1)
    assert changed != file.read_text()
    file.write_text(changed)
    reseal(folder)
    features = np.random.default_rng(0).normal(size=(9, len(SCHEMA))).astype(np.float32)

    if is_refused:
        with pytest.raises(BundleError, match=r"model\.txt"):
            load_bundle(folder, encoder=None)
    else:
        after = load_bundle(folder, encoder=None).model
        assert np.array_equal(after.leaves(features), before.leaves(features))


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"vector_mean": np.zeros(3, np.float32)},
        {"vector_mean": np.zeros(DIM)},
        {"vector_mean": np.full(DIM, np.nan, np.float32)},
        {"vector_products": np.zeros(3, np.float32)},
        {"vector_products": np.full(DIM * (DIM + 1) // 2, np.inf, np.float32)},
        {"term_shares": np.array([object()])},
        {"term_shares": np.full(2**18, np.nan, np.float32)},
        {"average_length": np.float64(0)},
        {"average_length": np.zeros(2)},
        {"paper_count": np.int64(-1)},
        {"sample_sizes": np.array([2**16 - 1], np.uint16)},
        {"sample_columns": np.array([2**18], np.int32)},
        {"sample_counts": np.zeros(3, np.uint8)},
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
        {"factor_offset": np.zeros(FACTORS + 1, np.float16)},
    ],
)
def test_wrong_arrays_behind_right_hashes(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrays that are missing, pickled, of the wrong shape, type or order, or not finite are refused."""
    with np.load(io.BytesIO(spaces_bytes(spaces())), allow_pickle=False) as archive:
        good = {name: archive[name] for name in archive.files}
    np.savez(folder / SPACES_NAME, **({**good, **arrays} if arrays else {}))
    reseal(folder)
    with pytest.raises(BundleError, match=r"spaces\.npz"):
        load_bundle(folder, encoder=ENCODER)


@pytest.mark.parametrize(
    "lost", ["factor_vector_map", "factor_term_map", "factor_offset", "sample_counts", "vector_products"]
)
def test_lost_arrays_behind_right_hashes(folder: Path, lost: str) -> None:
    """A part of the spaces that lacks one of its arrays is refused, not treated as absent."""
    with np.load(io.BytesIO(spaces_bytes(spaces())), allow_pickle=False) as archive:
        np.savez(folder / SPACES_NAME, **{name: archive[name] for name in archive.files if name != lost})
    reseal(folder)
    with pytest.raises(BundleError, match=r"spaces\.npz"):
        load_bundle(folder, encoder=ENCODER)


def test_spaces_come_back(folder: Path) -> None:
    """Statistics and factor map come back unchanged, and give papers the same rows; a bundle may have no factor map."""
    written, found = spaces(), load_bundle(folder, encoder=ENCODER).spaces
    assert written.factor_map is not None
    assert found.factor_map is not None
    for one, other in ((written.factor_map, found.factor_map), (written.prior, found.prior)):
        for name, value in vars(one).items():
            if isinstance(value, np.ndarray):
                assert np.array_equal(value, getattr(other, name)), name
    papers = columns(20)
    one, other = written.matrix(papers), found.matrix(papers)
    for name in ("units", "whitened", "factors", "word_crowding", "main_topics"):
        assert_close(getattr(one, name), getattr(other, name))
    bare = read_spaces(folder / SPACES_NAME, spaces_bytes(replace(written, factor_map=None)), DIM)
    assert bare.factor_map is None


def test_the_catalog_is_not_part_of_the_bundle() -> None:
    """The file of adapted spaces is that of the spaces as they were trained."""
    assert spaces_bytes(spaces().adapted(statistics(columns(50)))) == spaces_bytes(spaces())


def test_topics_come_back(folder: Path) -> None:
    """Topics come back unchanged, and a bundle may have none."""
    assert load_bundle(folder, encoder=ENCODER).spaces.topics is not None
    found = load_bundle(folder, encoder=ENCODER).spaces.topics
    assert found is not None
    assert found.names == topics().names
    assert np.array_equal(found.centroids, topics().centroids)
    data = spaces_bytes(replace(spaces(), topics=None))
    assert read_spaces(folder / SPACES_NAME, data, DIM).topics is None


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"format_version": 4}', "[" * 100_000])
def test_manifests_that_are_none(folder: Path, text: str) -> None:
    """A manifest that is not JSON or lacks its fields is refused with a BundleError."""
    (folder / MANIFEST_NAME).write_text(text)
    with pytest.raises(BundleError, match=MANIFEST_NAME):
        load_bundle(folder, encoder=None)


def test_sealed_manifest_with_wrong_types(folder: Path) -> None:
    """A manifest with a valid hash but fields of wrong types is refused."""
    fields = json.loads((folder / MANIFEST_NAME).read_text())
    del fields["manifest_sha256"]
    for name, value in (
        ("feature_names", 3),
        ("files", []),
        ("encoder_name", None),
        ("embedding_dim", "x"),
        ("base", []),
        ("params", []),
        ("metrics", 1),
        ("recipe", "\ud800"),
    ):
        (folder / MANIFEST_NAME).write_bytes(_render({**fields, name: value}))
        with pytest.raises(BundleError):
            load_bundle(folder, encoder=ENCODER)


def test_written_whole_or_not_at_all(tmp_path: Path, small_model_text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails, the existing bundle stays unchanged and no other file is left."""
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
    """The version changes with the model, but not with the time of writing."""
    versions = [
        write_bundle(
            tmp_path / "b",
            model_text=text,
            base={},
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
    """The bundle in the package loads, matches the features and has at most 12 MB."""
    loaded = load_bundle(default_bundle_path(), encoder="all-MiniLM-L6-v2")
    assert len(loaded.model.trees.leaf_counts) >= 50
    assert sum(file.stat().st_size for file in default_bundle_path().iterdir()) <= 12_000_000
