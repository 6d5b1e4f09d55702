"""Add the edited interests of users, and the sections of slates."""

import sqlalchemy as sa
from alembic import op

from database.columns import Id, belongs_to, new_metadata, not_null

revision = "0011"
down_revision = "0010"

frozen = new_metadata()

# The foreign key needs its target in the same metadata; this table exists already.
sa.Table("users", frozen, sa.Column("user_id", Id, primary_key=True))

interests = sa.Table(
    "interests",
    frozen,
    sa.Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
    not_null("interests", sa.Text),
    not_null("unsorted_paper_ids", sa.Text),
)


def upgrade() -> None:
    frozen.create_all(op.get_bind(), tables=[interests], checkfirst=False)
    op.add_column("slates", not_null("sections", sa.Text, server_default="[]"))
