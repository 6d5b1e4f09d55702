"""Add whether the digest of a slate was stale. Before, this replaced the slate's real fallback reason."""

import sqlalchemy as sa
from alembic import op

from database.columns import not_null

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    # The default is for the previous release, which inserts without this column.
    op.add_column("slates", not_null("stale_digest", sa.Boolean, server_default=sa.false()))
    # Such slates were ranked by the model: another reason took precedence.
    op.execute("UPDATE slates SET stale_digest = true, fallback_reason = 'none' WHERE fallback_reason = 'stale_digest'")
