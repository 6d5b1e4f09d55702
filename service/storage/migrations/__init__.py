"""Alembic's scripts; run them with ``service.storage.schema``."""
