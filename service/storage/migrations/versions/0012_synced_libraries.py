"""Add synced libraries: their state, their items and their collections."""

import sqlalchemy as sa
from alembic import op

from database.columns import Id, belongs_to, new_metadata, not_null

revision = "0012"
down_revision = "0011"

TIME = sa.DateTime(timezone=True)

frozen = new_metadata()

sa.Table("users", frozen, sa.Column("user_id", Id, primary_key=True))
sa.Table("papers", frozen, sa.Column("paper_id", Id, primary_key=True))

MADE = [
    sa.Table(
        "library_sources",
        frozen,
        sa.Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
        sa.Column("source", Id, primary_key=True),
        not_null("version", sa.BigInteger),
        not_null("fingerprint", sa.Text),
        not_null("chosen", sa.Text),
        not_null("reached", sa.Text),
        not_null("synced_at", TIME),
    ),
    sa.Table(
        "library_items",
        frozen,
        sa.Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
        sa.Column("source", Id, primary_key=True),
        sa.Column("item_key", Id, primary_key=True),
        not_null("paper_id", Id, belongs_to("papers.paper_id"), index=True),
        sa.Column("added_at", TIME),
        not_null("collections", sa.Text),
    ),
    sa.Table(
        "library_collections",
        frozen,
        sa.Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
        sa.Column("source", Id, primary_key=True),
        sa.Column("collection_key", Id, primary_key=True),
        not_null("name", sa.Text),
        not_null("parent_key", sa.Text),
    ),
]


def upgrade() -> None:
    frozen.create_all(op.get_bind(), MADE, checkfirst=False)
