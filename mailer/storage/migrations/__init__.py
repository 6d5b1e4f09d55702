"""Alembic's scripts; run them with ``mailer.storage.schema``."""
