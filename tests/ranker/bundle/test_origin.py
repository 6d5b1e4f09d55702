"""Bundles that are due after a deletion, by what their manifests say about the data."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ranker.bundle.origin import due_bundles, taken_at_params

DELETED_AT = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
BORN_AT = DELETED_AT - dt.timedelta(days=5)


def bundle(folder: Path, *data: str, taken_at: dict[str, str] | None = None, base: str = "") -> Path:
    """Write the part of a manifest that says what a bundle was trained on."""
    folder.mkdir(parents=True)
    params: dict[str, Any] = {"seed": 0, **taken_at_params(taken_at or {}), **({"base": base} if base else {})}
    fields = {"version": folder.name, "fingerprint": "f", "metrics": {name: {} for name in data}, "params": params}
    (folder / "manifest.json").write_text(json.dumps(fields), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("taken_at", "since", "is_due"),
    [
        ("2026-03-10T11:00:00+00:00", None, True),
        ("2026-03-10T12:09:00+00:00", None, True),
        ("2026-03-10T12:11:00+00:00", None, False),
        ("2026-03-01T00:00:00+00:00", None, True),
        ("2026-03-01T00:00:00+00:00", BORN_AT, False),
        ("2026-03-06T00:00:00+00:00", BORN_AT, True),
        ("2026-03-05T11:51:00+00:00", BORN_AT, True),
        ("2026-03-05T11:49:00+00:00", BORN_AT, False),
    ],
)
def test_time_of_the_data(tmp_path: Path, taken_at: str, since: dt.datetime | None, is_due: bool) -> None:
    """A bundle is due if its data were taken while the user was stored, give or take ten minutes."""
    bundle(tmp_path / "b", "0-papers", "database", taken_at={"0-papers": "", "database": taken_at})

    assert [each.version for each in due_bundles([tmp_path], DELETED_AT, since)] == ["b"] * is_due


def test_other_origins(tmp_path: Path) -> None:
    """Data from files never count, data of a service without a time always do, and heirs of a due bundle with it."""
    bundle(tmp_path / "files", "0-papers", "hf-daily")
    old = bundle(tmp_path / "deep" / "old", "export")
    heir = bundle(tmp_path / "heir", "feedback", taken_at={"feedback": "2026-03-11T00:00:00+00:00"}, base="old")
    bundle(tmp_path / "free", "feedback", taken_at={"feedback": "2026-03-11T00:00:00+00:00"}, base="files")
    grandchild = bundle(tmp_path / "last", "0-papers", base="heir")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "manifest.json").write_text('{"name": "a web page"}', encoding="utf-8")

    due = {each.folder: each.reason for each in due_bundles([tmp_path], DELETED_AT, BORN_AT)}

    assert due == {
        old: "trained on the data set 'export', taken at an unknown time",
        heir: "trained from old",
        grandchild: "trained from heir",
    }


def test_manifests_with_values_of_any_type(tmp_path: Path) -> None:
    """A folder may hold any file: values that are no times and no names are unknown, and never an error."""
    for name, params in (
        ("list", {"taken_at": ["2026-03-10"], "base": ["old"]}),
        ("number", {"taken_at": {"database": 3}, "base": {}}),
        ("text", {"taken_at": {"database": "yesterday"}}),
        ("zoneless", {"taken_at": {"database": "2026-03-11T00:00:00"}}),
    ):
        folder = bundle(tmp_path / name, "database")
        fields = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**fields, "params": params}))

    found = due_bundles([tmp_path], DELETED_AT)

    reason = "trained on the data set 'database', taken at an unknown time"
    assert {each.version: each.reason for each in found} == dict.fromkeys(
        ("list", "number", "text", "zoneless"), reason
    )
