"""Checks of a bundle that is to be registered, and of what is stored about it."""

import datetime as dt
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ranker.bundle.bundle import Bundle, bundle_files, bundle_of
from ranker.errors import BundleError
from service.domain.errors import BundleRejected, InvalidField
from service.domain.models import NewModel
from service.domain.papers import check_id

MAX_METRICS_BYTES = 64 * 1024
"""Limit for the metrics of a bundle as JSON: a page of models must fit into one message."""
MAX_METRICS_DEPTH = 16
"""Limit for the nesting of metrics: clients cannot read messages that are nested 100 deep."""


def checked_bundle(folder: Path, encoder: str | None) -> tuple[dict[str, bytes], NewModel]:
    """Return the files of the bundle in a folder, and the facts about it.

    Args:
        encoder: Name of the encoder that the bundle must fit; None allows every encoder.

    Raises:
        BundleRejected: The bundle is damaged, too large or made for another encoder or feature schema, or its manifest
            has a field of the wrong kind.
    """
    try:
        files = bundle_files(folder)
        bundle = bundle_of(files, folder, encoder=encoder)
    except BundleError as error:
        raise BundleRejected(str(error)) from error
    return files, _new_model(bundle, files)


def plain_json(value: Any, depth: int = MAX_METRICS_DEPTH) -> Any:
    """Return a JSON value that every database and client can read: numbers that JSON does not know become null.

    Args:
        depth: How deeply objects and lists may be nested.

    Raises:
        ValueError: The value is nested too deeply.
        OverflowError: A whole number is too large.
    """
    if isinstance(value, dict | list | tuple) and not depth:
        raise ValueError("metrics are nested too deeply")
    if isinstance(value, dict):
        return {name: plain_json(each, depth - 1) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(each, depth - 1) for each in value]
    is_number = isinstance(value, int | float)
    return None if is_number and not math.isfinite(value) else value


def _new_model(bundle: Bundle, files: Mapping[str, bytes]) -> NewModel:
    """Return the facts about a bundle; raise BundleRejected if its manifest has a field of the wrong kind."""
    manifest = bundle.manifest
    try:
        created_at = dt.datetime.fromisoformat(manifest.created_at)
        version = check_id(manifest.version, "version")
        metrics = plain_json(manifest.metrics)
    except (InvalidField, TypeError, ValueError, OverflowError) as error:
        raise BundleRejected(f"manifest.json: {error}") from error
    if created_at.tzinfo is None or not isinstance(metrics, dict):
        raise BundleRejected("manifest.json: created_at needs a time zone, and metrics must be an object")
    if (size := len(json.dumps(metrics))) > MAX_METRICS_BYTES:
        raise BundleRejected(f"manifest.json: metrics take {size} bytes; at most {MAX_METRICS_BYTES} are allowed")
    return NewModel(
        version=version,
        content_sha256=manifest.content_sha256,
        encoder=manifest.encoder_name,
        schema_sha256=manifest.schema_sha256,
        size_bytes=sum(map(len, files.values())),
        created_at=created_at,
        metrics=metrics,
    )
