"""Add the deletions that have been carried out, so that none is carried out twice."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "mail_deletions",
        sa.Column("user_id_hash", ID, nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id_hash", "deleted_at", name="pk_mail_deletions"),
    )


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("mail_deletions")
