"""Add the deletions that have been carried out, so that none is carried out twice."""

import sqlalchemy as sa
from alembic import op

from database.columns import Id, not_null

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "mail_deletions",
        not_null("user_id_hash", Id),
        not_null("deleted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("user_id_hash", "deleted_at", name="pk_mail_deletions"),
    )
