"""What the features of a slate mean, so that training takes only those that fit. Slates of before do not say."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The version before inserts without the column.
    op.add_column("slates", sa.Column("features_version", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("slates", "features_version")
