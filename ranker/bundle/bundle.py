"""Bundles: folders with a trained model and the spaces it was trained in.

A bundle holds ``model.txt`` (LightGBM's text format), ``spaces.npz`` (arrays, no pickle) and ``manifest.json``, which
holds the hashes of the other files and of itself. A bundle is loaded only if all hashes match. The hashes detect
damage, not malice, so load bundles only from sources that you trust. No content of a bundle is executed.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ranker.bundle.manifest import (
    MANIFEST_NAME,
    MODEL_NAME,
    SPACES_NAME,
    Manifest,
    file_entry,
    read_manifest,
    write_manifest,
)
from ranker.bundle.spaces_file import read_spaces, spaces_bytes
from ranker.errors import BundleError, EncoderMismatch
from ranker.features import SCHEMA
from ranker.score import Model, read_model
from ranker.spaces.spaces import Spaces
from ranker.spaces.statistics import CorpusStatistics
from ranker.trees import TreeError
from ranker.types import Float32Array

_MAX_BASE_WEIGHT = 1e6
FILE_LIMITS = {MANIFEST_NAME: 2**20, MODEL_NAME: 64 * 2**20, SPACES_NAME: 64 * 2**20}
"""The files of a bundle, and the maximum size of each in bytes."""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle. It is immutable, so threads may share it."""

    manifest: Manifest
    spaces: Spaces
    model: Model

    def adapted(self, catalog: CorpusStatistics | None) -> "Bundle":
        """Return the bundle with the statistics of a catalog; with those of its training data alone if it is None.

        Raises:
            InputError: The catalog's vectors have another length.
        """
        return replace(self, spaces=self.spaces.adapted(catalog))

    @property
    def version(self) -> str:
        """The version, which depends on the contents of the files alone and not on the time of training."""
        return self.manifest.version

    @property
    def encoder_name(self) -> str:
        """Name of the encoder whose vectors the bundle was trained on."""
        return self.manifest.encoder_name

    @property
    def features_version(self) -> str:
        """The version of the features: a hash of schema and spaces.

        Bundles that share it compute equal feature rows, so their models are interchangeable.
        """
        parts = (self.manifest.schema_sha256, str(self.manifest.files[SPACES_NAME]["sha256"]))
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


def default_bundle_path() -> Path:
    """Return the folder of the bundle that ships with the package."""
    return Path(__file__).parent / "default"


def load_bundle(path: Path, *, encoder: str | None) -> Bundle:
    """Load and check the bundle in a folder; see ``bundle_of`` for argument and errors."""
    return bundle_of(bundle_files(path), path, encoder=encoder)


def bundle_files(path: Path) -> dict[str, bytes]:
    """Return the files of the bundle in a folder by name.

    A batch job reads them once and sends the same bytes to every worker, because another bundle may replace the
    folder's at any time.

    Raises:
        BundleError: The folder or a file of it is missing, or a file is too large.
    """
    if not path.is_dir():
        raise BundleError(path, "there is no such folder")
    return {name: _read(path / name, limit) for name, limit in FILE_LIMITS.items()}


def bundle_of(files: Mapping[str, bytes], path: Path, *, encoder: str | None) -> Bundle:
    """Return the bundle in the output of ``bundle_files``, checked.

    Args:
        path: Folder that error messages name.
        encoder: Name of the encoder in use; None skips the check of the encoder.

    Raises:
        EncoderMismatch: The bundle was trained on the vectors of another encoder.
        BundleError: A file is damaged, or the bundle was trained on other features.
    """
    manifest = read_manifest(path / MANIFEST_NAME, files[MANIFEST_NAME])
    _check_schema(path / MANIFEST_NAME, manifest)
    if encoder is not None and encoder != manifest.encoder_name:
        raise EncoderMismatch(path / MANIFEST_NAME, manifest.encoder_name, encoder)
    _check_files(files, path, manifest)
    spaces = read_spaces(path / SPACES_NAME, files[SPACES_NAME], manifest.embedding_dim)
    try:
        model = read_model(files[MODEL_NAME].decode("utf-8"), _base(path / MANIFEST_NAME, manifest), SCHEMA.family_of)
    except (TreeError, UnicodeDecodeError) as error:
        raise BundleError(path / MODEL_NAME, str(error)) from error
    return Bundle(manifest=manifest, spaces=spaces, model=model)


def content_of(files: Mapping[str, bytes], path: Path) -> str:
    """Return the hash of the content of a bundle, after checking that no file of it is damaged.

    Args:
        files: Output of ``bundle_files``.
        path: Folder that error messages name.

    Raises:
        BundleError: A file is damaged.
    """
    manifest = read_manifest(path / MANIFEST_NAME, files[MANIFEST_NAME])
    _check_files(files, path, manifest)
    return manifest.content_sha256


def write_bundle(  # noqa: PLR0913 (one keyword for each part of a bundle)
    path: Path,
    *,
    model_text: str,
    base: Mapping[str, float],
    spaces: Spaces,
    encoder_name: str,
    recipe: str,
    fingerprint: str,
    created_at: str,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write a bundle folder, replacing one that exists. If writing fails, the existing folder stays as it is.

    Equal arguments give byte-identical files.

    Args:
        base: Weight of each feature in the sum that the trees correct, see ``Model``.
        fingerprint: Hash of the training data.
        created_at: Time of training in RFC 3339.
    """
    files = {MODEL_NAME: model_text.encode(), SPACES_NAME: spaces_bytes(spaces)}
    manifest = Manifest.of(
        encoder_name=encoder_name,
        embedding_dim=spaces.embedding_dim,
        feature_names=SCHEMA.names,
        schema_sha256=SCHEMA.sha256,
        base=dict(base),
        files={name: file_entry(data) for name, data in files.items()},
        recipe=recipe,
        fingerprint=fingerprint,
        created_at=created_at,
        params=dict(params or {}),
        metrics=dict(metrics or {}),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        for name, data in {**files, MANIFEST_NAME: write_manifest(manifest)}.items():
            _write_through(staging / name, data)
        staging.chmod(0o755)
        _swap(staging, path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def _check_files(files: Mapping[str, bytes], path: Path, manifest: Manifest) -> None:
    for name in (MODEL_NAME, SPACES_NAME):
        if file_entry(files[name]) != manifest.files.get(name):
            raise BundleError(path / name, "is damaged: its size or SHA-256 differs from the manifest's")


def _base(file: Path, manifest: Manifest) -> Float32Array:
    """Return the base weights of all features."""
    weights = np.zeros(len(SCHEMA), dtype=np.float32)
    for name, weight in manifest.base.items():
        if name not in SCHEMA.names or not abs(weight) <= _MAX_BASE_WEIGHT:
            raise BundleError(file, f"has a base weight that is too large, not a number or of no feature ({name})")
        weights[SCHEMA.names.index(name)] = weight
    return weights


def _check_schema(file: Path, manifest: Manifest) -> None:
    if manifest.feature_names != SCHEMA.names:
        strange = sorted(set(manifest.feature_names) ^ set(SCHEMA.names)) or ["the same in another order"]
        raise BundleError(
            file, f"was trained on features other than this version's ({', '.join(strange[:5])}); train it again"
        )
    if manifest.schema_sha256 != SCHEMA.sha256:
        raise BundleError(file, "was trained on another version of the features; train it again")


def _read(file: Path, limit: int) -> bytes:
    """Return the content of a plain file. A pipe or device, which might never end, is refused before it is read."""

    def opened_at_once(name: str, flags: int) -> int:
        # Without this flag, opening a pipe waits for its writer.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    try:
        with open(file, "rb", opener=opened_at_once) as stream:
            facts = os.fstat(stream.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise BundleError(file, "is not a plain file")
            # One byte more than allowed shows that the file has grown since.
            data = stream.read(limit + 1) if facts.st_size <= limit else b""
    except OSError as error:
        raise BundleError(file, f"cannot be read ({error.strerror}); is this a bundle folder?") from error
    if (size := max(facts.st_size, len(data))) > limit:
        raise BundleError(file, f"has {size} bytes; at most {limit} are allowed")
    return data


def _write_through(file: Path, data: bytes) -> None:
    """Write a file and flush it to the disk."""
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _swap(staging: Path, path: Path) -> None:
    """Move the finished folder to its place. Between the two renames there is no bundle, but never half of one."""
    old = staging.with_name(staging.name + "-old")
    if path.exists():
        path.rename(old)
    staging.rename(path)
    shutil.rmtree(old, ignore_errors=True)
