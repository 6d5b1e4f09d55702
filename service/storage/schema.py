"""The service's schema. ``database.schema.Schema`` documents the functions."""

from pathlib import Path

from database.schema import Schema
from service.storage.errors import ERRORS

KNOWN_REVISIONS = tuple(f"{number:04}" for number in range(1, 16))
"""All revisions, oldest first; a test compares them with the scripts."""

_SCHEMA = Schema(
    scripts=Path(__file__).parent / "migrations" / "versions",
    revisions=KNOWN_REVISIONS,
    version_table="alembic_version",
    lock_number=70460002,
    upgrade_command="paperfeed db upgrade",
    errors=ERRORS,
)
HEAD = _SCHEMA.head
current_revision = _SCHEMA.current_revision
check = _SCHEMA.check
upgrade = _SCHEMA.upgrade
