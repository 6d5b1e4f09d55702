"""The schema of the mailer, and its errors. ``database.schema.Schema`` documents the functions."""

from functools import partial
from pathlib import Path

from database.errors import Errors
from database.schema import Schema
from mailer.errors import InvalidField, SchemaMismatch, StorageUnavailable

ERRORS = Errors(invalid_url=partial(InvalidField, "db"), unavailable=StorageUnavailable, schema_mismatch=SchemaMismatch)
KNOWN_REVISIONS = ("0001", "0002", "0003", "0004")
"""All revisions, oldest first; a test compares them with the scripts."""

_SCHEMA = Schema(
    scripts=Path(__file__).parent / "migrations" / "versions",
    revisions=KNOWN_REVISIONS,
    version_table="mail_alembic_version",
    lock_number=70460012,
    upgrade_command="paperfeed mail upgrade",
    errors=ERRORS,
)
HEAD = _SCHEMA.head
current_revision = _SCHEMA.current_revision
check = _SCHEMA.check
upgrade = _SCHEMA.upgrade
