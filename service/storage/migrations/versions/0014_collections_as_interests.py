"""Add whether the collections of a synced library are interests."""

import sqlalchemy as sa
from alembic import op

from database.columns import not_null

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("library_sources", not_null("as_interests", sa.Boolean, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("library_sources", "as_interests")
