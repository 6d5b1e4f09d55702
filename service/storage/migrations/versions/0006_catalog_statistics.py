"""Add statistics of the catalog, and the version of them in slates. Older slates have version 0."""

import sqlalchemy as sa
from alembic import op

from database.columns import Id, Sequence, not_null

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "catalog_statistics",
        not_null("version", Sequence, autoincrement=True),
        not_null("encoder", Id),
        not_null("paper_count", sa.BigInteger),
        not_null("vector_version", sa.BigInteger),
        not_null("claimed_at", sa.DateTime(timezone=True)),
        sa.Column("counted_at", sa.DateTime(timezone=True)),
        sa.Column("data", sa.LargeBinary),
        sa.PrimaryKeyConstraint("version", name="pk_catalog_statistics"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_catalog_statistics_encoder_version", "catalog_statistics", ["encoder", "version"])
    # The default serves the previous release, which inserts without this column.
    for name in ("slates", "precomputed_slates"):
        op.add_column(name, not_null("statistics_version", sa.BigInteger, server_default="0"))
