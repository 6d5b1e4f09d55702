"""The statistics of the catalog in an export: one file, described by an entry of the manifest."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batch.errors import InputUnusable
from ranker.errors import InputError
from ranker.spaces.statistics import CorpusStatistics
from service.app.ports import Transaction

STATISTICS_NAME = "_statistics.npz"
ENTRY = "statistics"
"""Name of the manifest's entry: version, paper_count and counted_at; null if the export has no statistics."""


def write_statistics(tx: Transaction, encoder: str, folder: Path) -> dict[str, Any] | None:
    """Write the newest statistics of the database that can be read; return the manifest's entry, None without any.

    Raises:
        OSError: The file cannot be written.
    """
    for version in tx.statistics.counted(encoder):
        data = tx.statistics.data(version.version) or b""
        try:
            CorpusStatistics.of_bytes(data)
        except InputError:
            continue
        (folder / STATISTICS_NAME).write_bytes(data)
        return {
            "version": version.version,
            "paper_count": version.paper_count,
            "counted_at": version.counted_at.isoformat(),
        }
    return None


def read_statistics(folder: Path, manifest: Mapping[str, Any], as_of: dt.datetime | None) -> tuple[int, bytes]:
    """Return the version and the bytes of the statistics of an export; 0 and nothing if it has none to use.

    Args:
        as_of: Statistics that were counted later are not used; None uses them in any case.

    Raises:
        InputUnusable: The file is missing or damaged, or the manifest's entry is.
    """
    entry, path = manifest.get(ENTRY), folder / STATISTICS_NAME
    if entry is None:
        return 0, b""
    try:
        if as_of is not None and dt.datetime.fromisoformat(entry["counted_at"]) > as_of:
            return 0, b""
        data = path.read_bytes()
        CorpusStatistics.of_bytes(data)
        return int(entry["version"]), data
    except (OSError, ValueError, KeyError, TypeError, InputError) as error:
        raise InputUnusable(path, f"cannot be read ({error})") from error
