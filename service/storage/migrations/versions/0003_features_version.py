"""Add the version of a slate's features, so that training uses only fitting ones. Older slates have no version."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # The default serves the previous release, which inserts without this column.
    op.add_column("slates", sa.Column("features_version", sa.Text, nullable=False, server_default=""))
