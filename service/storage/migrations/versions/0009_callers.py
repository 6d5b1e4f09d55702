"""Make api_keys anew, which no release has used, and add the audit log."""

import sqlalchemy as sa
from alembic import op

from database.columns import Id, Sequence, not_null

revision = "0009"
down_revision = "0008"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.drop_table("api_keys")
    op.create_table(
        "api_keys",
        not_null("key_id", Id),
        sa.Column("key_hash", Id),
        sa.Column("certificate", sa.Text),
        not_null("name", sa.Text),
        not_null("scopes", sa.Text),
        not_null("created_at", TIME),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.Column("last_used_at", TIME),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        sa.UniqueConstraint("key_hash", name="uq_api_keys_key_hash"),
    )
    op.create_table(
        "audit_log",
        not_null("sequence", Sequence, autoincrement=True),
        not_null("recorded_at", TIME),
        not_null("actor", sa.Text),
        not_null("key_id", Id),
        not_null("action", sa.Text),
        not_null("target", sa.Text),
        not_null("outcome", sa.Text),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_log_recorded_at", "audit_log", ["recorded_at"])
