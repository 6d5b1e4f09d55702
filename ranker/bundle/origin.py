"""The origin of a bundle: which data of a service it was trained on, and when they were taken.

A manifest names no users. It has the time at which data were taken from a service, so all bundles whose data were taken
while a user was stored may hold what was learned from that user (docs/adr/0032).
"""

import datetime as dt
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ranker.bundle.manifest import MANIFEST_NAME, TAKEN_AT

CLOCK_SLACK = dt.timedelta(minutes=10)
"""Greatest difference between the clocks of the machines that train and that serve."""
_OF_SERVICE = ("database", "export", "feedback")
"""Names of the data sets that are taken from a service; those of files begin with a number."""


@dataclass(frozen=True)
class DueBundle:
    """A bundle that may hold what was learned from a deleted user.

    Attributes:
        reason: Why, in words.
    """

    folder: Path
    version: str
    reason: str


def taken_at_params(taken_at: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters by which a manifest keeps when data were taken.

    Args:
        taken_at: Time in RFC 3339 by name of data set; empty for data sets from files.
    """
    known = {name: at for name, at in taken_at.items() if at}
    return {TAKEN_AT: known} if known else {}


def due_bundles(
    roots: Iterable[Path], deleted_at: dt.datetime, stored_since: dt.datetime | None = None
) -> list[DueBundle]:
    """Return the bundles at or below the folders that are due for training again because a user was deleted.

    Args:
        deleted_at: Time of the deletion.
        stored_since: Time from which data of the user were stored; None if it is unknown.
    """
    due: dict[Path, DueBundle] = {}
    bundles = dict(_bundles(roots))
    for folder, fields in bundles.items():
        if reason := _reason(fields, deleted_at, stored_since):
            due[folder] = DueBundle(folder, str(fields.get("version", "")), reason)
    # A bundle trained from another keeps its spaces.
    while True:
        versions = {each.version for each in due.values()}
        heirs = {
            folder: DueBundle(folder, str(fields.get("version", "")), f"trained from {fields['params']['base']}")
            for folder, fields in bundles.items()
            if folder not in due and str(fields["params"].get("base")) in versions
        }
        if not heirs:
            return [due[folder] for folder in sorted(due)]
        due |= heirs


def _reason(fields: Mapping[str, Any], deleted_at: dt.datetime, stored_since: dt.datetime | None) -> str:
    """Return why a bundle is due by its own data; an empty text if it is not."""
    taken_at = _times(fields["params"])
    for name, moment in sorted(taken_at.items()):
        is_early = stored_since is not None and moment < stored_since - CLOCK_SLACK
        if moment <= deleted_at + CLOCK_SLACK and not is_early:
            return f"trained on the data set '{name}', taken at {moment.isoformat()}"
    unknown = [name for name in _OF_SERVICE if name in fields["metrics"] and name not in taken_at]
    return f"trained on the data set '{unknown[0]}', taken at an unknown time" if unknown else ""


def _bundles(roots: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folder and the fields of each manifest. Hashes are not checked: a damaged bundle is listed too."""
    for root in roots:
        for name, _, files in os.walk(root):
            if MANIFEST_NAME in files:
                folder = Path(name)
                try:
                    fields = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
                except (OSError, ValueError):
                    continue
                if _is_manifest(fields):
                    yield folder, fields


def _is_manifest(fields: Any) -> bool:
    return (
        isinstance(fields, dict)
        and "fingerprint" in fields
        and isinstance(fields.get("params"), dict)
        and isinstance(fields.get("metrics"), dict)
    )


def _times(params: Mapping[str, Any]) -> dict[str, dt.datetime]:
    """Return when data were taken, by name of data set. Values that are no time are unknown: nobody checked them."""
    found = {}
    given = params.get(TAKEN_AT)
    for name, at in given.items() if isinstance(given, dict) else ():
        try:
            moment = dt.datetime.fromisoformat(at)
        except (TypeError, ValueError):
            continue
        if moment.tzinfo is not None:
            found[name] = moment
    return found
