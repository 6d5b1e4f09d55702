"""The exceptions of ``service.domain.errors`` that stand for failures of the database."""

from functools import partial

from database.errors import Errors
from service.domain.errors import InvalidField, SchemaMismatch, StorageUnavailable

ERRORS = Errors(invalid_url=partial(InvalidField, "db"), unavailable=StorageUnavailable, schema_mismatch=SchemaMismatch)
