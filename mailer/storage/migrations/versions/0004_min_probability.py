"""Add each subscriber's own lowest probability of a paper."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("mail_subscribers", sa.Column("min_probability", sa.Double))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("mail_subscribers", "min_probability")
