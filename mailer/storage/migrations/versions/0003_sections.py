"""Add the wish for sections to subscribers."""

import sqlalchemy as sa
from alembic import op

from database.columns import not_null

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column("mail_subscribers", not_null("has_sections", sa.Boolean, server_default=sa.false()))
