"""Add slates that a batch job precomputes."""

import sqlalchemy as sa
from alembic import op

from database.columns import Id, not_null

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "precomputed_slates",
        not_null("user_id", Id),
        not_null("digest_id", Id),
        not_null("user_version", sa.BigInteger),
        not_null("digest_version", sa.BigInteger),
        not_null("model_version", sa.Text),
        not_null("features_version", sa.Text),
        not_null("diversity", sa.Double),
        not_null("fallback_reason", sa.Text),
        not_null("as_of", sa.DateTime(timezone=True)),
        not_null("pending_paper_count", sa.Integer),
        not_null("is_whole", sa.Boolean),
        not_null("items", sa.Text),
        not_null("features", sa.LargeBinary),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name="fk_precomputed_slates_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "digest_id", name="pk_precomputed_slates"),
    )
    op.create_index("ix_precomputed_slates_as_of", "precomputed_slates", ["as_of"])
