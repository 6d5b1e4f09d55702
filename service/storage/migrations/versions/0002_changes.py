"""Add the logs of changed vectors and of changed signals, by which caches are kept up to date."""

import sqlalchemy as sa
from alembic import op

from database.columns import Id, not_null

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "vector_changes",
        not_null("encoder", Id),
        not_null("paper_id", Id),
        not_null("version", sa.BigInteger),
        sa.PrimaryKeyConstraint("encoder", "paper_id", name="pk_vector_changes"),
    )
    op.create_index("ix_vector_changes_encoder_version", "vector_changes", ["encoder", "version"])
    op.create_table(
        "signal_changes",
        not_null("paper_id", Id),
        not_null("version", sa.BigInteger),
        sa.PrimaryKeyConstraint("paper_id", name="pk_signal_changes"),
    )
    op.create_index("ix_signal_changes_version", "signal_changes", ["version"])
