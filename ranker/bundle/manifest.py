"""The manifest of a bundle: its version, its origin and the hashes of its files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ranker.errors import BundleError

FORMAT_VERSION = 4
MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.txt"
SPACES_NAME = "spaces.npz"
TAKEN_AT = "taken_at"
"""Parameter: when data were taken from a service, by name of data set; see ``ranker.bundle.origin``."""
_SELF_HASH = "manifest_sha256"


@dataclass(frozen=True)
class Manifest:
    """The fields of manifest.json, except its own hash.

    Attributes:
        version: ``<recipe>-<12 hexadecimal digits of the hash of base, files and calibration>``.
        base: Weight of features in the sum that the trees correct; see ``ranker.score.Model``.
        files: Size and hash of each file: name to {"bytes", "sha256"}.
        fingerprint: Hash of the training data.
        created_at: Time of training in RFC 3339. Between two runs on the same data only this differs, and ``TAKEN_AT``.
        calibration: Fields of ``ranker.bundle.calibration.Calibration``; None if the bundle has none. The file then has
            no such field, as before calibrations existed.
    """

    format_version: int
    version: str
    encoder_name: str
    embedding_dim: int
    feature_names: tuple[str, ...]
    schema_sha256: str
    base: Mapping[str, float]
    files: Mapping[str, Mapping[str, Any]]
    recipe: str
    fingerprint: str
    created_at: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    calibration: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, **fields: Any) -> "Manifest":
        """Return a manifest of the current format; its version is derived from recipe, base, files and calibration."""
        parts = {"base": fields["base"], **{name: entry["sha256"] for name, entry in fields["files"].items()}}
        if fields.get("calibration") is not None:
            parts["calibration"] = fields["calibration"]
        hashes = json.dumps(parts, sort_keys=True)
        version = f"{fields['recipe']}-{hashlib.sha256(hashes.encode()).hexdigest()[:12]}"
        return cls(format_version=FORMAT_VERSION, version=version, **fields)

    @property
    def content_sha256(self) -> str:
        """Hash of the bundle's content: of all fields, and so of all files, without the times of its making."""
        fields = _fields_of(self)
        del fields["created_at"]
        fields["params"].pop(TAKEN_AT, None)
        return _sha256_of(fields)


def file_entry(data: bytes) -> dict[str, Any]:
    """Return the manifest's entry for a file: its size and hash."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def write_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of manifest.json, in the only rendering that ``read_manifest`` accepts."""
    return _render(json.loads(json.dumps(_fields_of(manifest))))


def read_manifest(file: Path, data: bytes) -> Manifest:
    """Read and check a manifest.

    Args:
        file: Path that error messages name.
        data: Contents of the file.

    Raises:
        BundleError: The data are not a manifest, of another format version, or changed by one byte or more.
    """
    fields = _parsed(file, data)
    if fields.get("format_version") != FORMAT_VERSION:
        raise BundleError(
            file,
            f"has format version {fields.get('format_version')!r}, but this version of paperfeed reads"
            f" {FORMAT_VERSION}; train it again",
        )
    try:
        # Half of a surrogate pair cannot be stored or sent as text.
        json.dumps(fields, ensure_ascii=False).encode()
        # The comparison of renderings also finds changes that the JSON values do not show, such as white space.
        is_whole = _render({key: value for key, value in fields.items() if key != _SELF_HASH}) == data
    except (UnicodeEncodeError, RecursionError) as error:
        raise BundleError(file, f"has a text that is no Unicode, or is nested too deeply ({error})") from error
    if not is_whole:
        raise BundleError(file, "is damaged: its own SHA-256 does not match its contents")
    return _typed(file, fields)


def _fields_of(manifest: Manifest) -> dict[str, Any]:
    """Return all fields that the file has."""
    fields = asdict(manifest)
    if manifest.calibration is None:
        del fields["calibration"]
    return fields


def _parsed(file: Path, data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(file, f"is not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise BundleError(file, "is not a JSON object")
    return fields


def _typed(file: Path, fields: dict[str, Any]) -> Manifest:
    try:
        del fields[_SELF_HASH]
        manifest = Manifest(**{**fields, "feature_names": tuple(fields["feature_names"])})
    except (KeyError, TypeError) as error:
        raise BundleError(file, f"has missing or unknown fields ({error})") from error
    texts = (manifest.version, manifest.encoder_name, manifest.schema_sha256)
    objects = (manifest.params, manifest.metrics)
    entries = manifest.files.values() if isinstance(manifest.files, dict) else (None,)
    sound = all(isinstance(text, str) for text in texts) and all(isinstance(each, dict) for each in objects)
    sound = sound and all(isinstance(entry, dict) for entry in entries)
    sound = sound and isinstance(manifest.calibration, dict | None)
    numbers = list(manifest.base.values()) if isinstance(manifest.base, dict) else [None]
    if not sound or not all(isinstance(number, int | float) for number in numbers):
        raise BundleError(file, "has a field of the wrong type")
    return manifest


def _render(fields: dict[str, Any]) -> bytes:
    """Return indented JSON with sorted keys, including the hash of the fields in canonical form."""
    return (json.dumps({**fields, _SELF_HASH: _sha256_of(fields)}, indent=2, sort_keys=True) + "\n").encode()


def _sha256_of(fields: Mapping[str, Any]) -> str:
    """Return the hash of fields in canonical JSON."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
