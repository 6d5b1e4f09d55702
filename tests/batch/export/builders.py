"""Exports of test databases."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from batch.export.writer import ExportRequest, export
from service.encoder import HashingEncoder
from tests.batch.worlds import NOW, World


def exported(world: World, out: Path, **changes: Any) -> dict[str, Any]:
    """Export a world and return the manifest; ``changes`` are attributes of the request."""
    request = ExportRequest(world.url, HashingEncoder.name, out, NOW)
    return export(replace(request, **changes), lambda _count: None)
