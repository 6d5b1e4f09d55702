"""Add the logs of changed vectors and of changed signals, by which caches are kept up to date."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "vector_changes",
        sa.Column("encoder", ID, nullable=False),
        sa.Column("paper_id", ID, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("encoder", "paper_id", name="pk_vector_changes"),
    )
    op.create_index("ix_vector_changes_encoder_version", "vector_changes", ["encoder", "version"])
    op.create_table(
        "signal_changes",
        sa.Column("paper_id", ID, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("paper_id", name="pk_signal_changes"),
    )
    op.create_index("ix_signal_changes_version", "signal_changes", ["version"])


def downgrade() -> None:
    op.drop_table("signal_changes")
    op.drop_table("vector_changes")
