import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranker.bundle.bundle import Bundle, load_bundle
from ranker.bundle.calibration import Calibration
from ranker.bundle.manifest import MANIFEST_NAME, Manifest, read_manifest, write_manifest
from ranker.errors import BundleError
from testing.ranker import bundle

CALIBRATION = Calibration((-1.0, 0.0, 2.0), (0.01, 0.02, 0.4), {"data": {}})


def resealed(folder: Path, calibration: Mapping[str, Any]) -> Manifest:
    """Write the manifest with this calibration, and return it."""
    file = folder / MANIFEST_NAME
    manifest = replace(read_manifest(file, file.read_bytes()), calibration=calibration)
    file.write_bytes(write_manifest(manifest))
    return manifest


@pytest.fixture
def folder(tmp_path: Path, small_model_text: str) -> Path:
    bundle(tmp_path / "bundle", small_model_text)
    return tmp_path / "bundle"


def test_probabilities_rise_between_points_and_are_constant_outside() -> None:
    """Between two points the function is linear; below the first and above the last it is constant."""
    found = CALIBRATION.probabilities_of(np.array([-9.0, -1.0, -0.5, 1.0, 2.0, 9.0]))

    assert found.tolist() == [0.01, 0.01, 0.015, 0.21, 0.4, 0.4]


def test_round_trip(folder: Path) -> None:
    """A loaded bundle has the calibration that its manifest holds."""
    resealed(folder, CALIBRATION.as_fields())

    assert load_bundle(folder, encoder=None).calibration == CALIBRATION


def test_bundle_without_calibration_keeps_its_bytes_and_hash(folder: Path, small_bundle: Bundle) -> None:
    """A bundle without calibration has no such field, as bundles from before calibrations."""
    fields = json.loads((folder / MANIFEST_NAME).read_text())

    assert "calibration" not in fields
    assert small_bundle.calibration is None
    assert small_bundle.manifest.content_sha256 == load_bundle(folder, encoder=None).manifest.content_sha256


def test_calibration_is_part_of_version_and_content(folder: Path) -> None:
    """Two bundles that differ in their calibration alone have different versions and contents."""
    plain = load_bundle(folder, encoder=None).manifest
    kept = ("encoder_name", "embedding_dim", "feature_names", "schema_sha256", "base", "files", "recipe", "fingerprint")
    fields = {name: getattr(plain, name) for name in (*kept, "created_at", "params", "metrics")}
    calibrated = Manifest.of(**fields, calibration=CALIBRATION.as_fields())

    assert Manifest.of(**fields).version == plain.version
    assert calibrated.version != plain.version
    assert calibrated.content_sha256 != plain.content_sha256


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": [0.0, 0.0, 1.0]},
        {"scores": []},
        {"scores": [0.0, float("nan"), 1.0]},
        {"probabilities": [0.3, 0.2, 0.4]},
        {"probabilities": [0.1, 0.2, 1.1]},
        {"probabilities": [0.1, 0.2]},
        {"facts": 3},
    ],
)
def test_unsound_calibration_is_refused(folder: Path, changes: dict[str, object]) -> None:
    """A manifest whose calibration is not a rising function to probabilities is refused."""
    resealed(folder, {**CALIBRATION.as_fields(), **changes})

    with pytest.raises(BundleError, match="calibration"):
        load_bundle(folder, encoder=None)
