"""Add slates that a batch job precomputes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "precomputed_slates",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("digest_id", ID, nullable=False),
        sa.Column("user_version", sa.BigInteger, nullable=False),
        sa.Column("digest_version", sa.BigInteger, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("features_version", sa.Text, nullable=False),
        sa.Column("diversity", sa.Double, nullable=False),
        sa.Column("fallback_reason", sa.Text, nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pending_paper_count", sa.Integer, nullable=False),
        sa.Column("is_whole", sa.Boolean, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("features", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name="fk_precomputed_slates_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "digest_id", name="pk_precomputed_slates"),
    )
    op.create_index("ix_precomputed_slates_as_of", "precomputed_slates", ["as_of"])


def downgrade() -> None:
    op.drop_table("precomputed_slates")
