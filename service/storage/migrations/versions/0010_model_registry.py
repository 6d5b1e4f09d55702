"""Add the model registry: models, their aliases and their log. The table models of 0001 was never used."""

import sqlalchemy as sa
from alembic import op

from database.columns import Id, Sequence, belongs_to, new_metadata, not_null

revision = "0010"
down_revision = "0009"

TIME = sa.DateTime(timezone=True)

frozen = new_metadata()

sa.Table(
    "models",
    frozen,
    sa.Column("version", Id, primary_key=True),
    not_null("content_sha256", Id, unique=True),
    not_null("state", sa.Text),
    not_null("encoder", Id),
    not_null("schema_sha256", sa.Text),
    not_null("size_bytes", sa.BigInteger),
    not_null("metrics", sa.Text),
    not_null("gate_passed", sa.Boolean),
    not_null("needs_retraining", sa.Boolean),
    not_null("created_at", TIME),
    not_null("registered_at", TIME),
    sa.Index(None, "registered_at", "version"),
)

sa.Table(
    "model_aliases",
    frozen,
    sa.Column("alias", Id, primary_key=True),
    not_null("version", Id, belongs_to("models.version")),
    sa.Column("share", sa.Double),
    sa.Column("experiment_id", sa.Text),
)

sa.Table(
    "model_log",
    frozen,
    sa.Column("number", Sequence, primary_key=True),
    not_null("version", Id, belongs_to("models.version")),
    not_null("at", TIME),
    not_null("actor", sa.Text),
    sa.Column("from_state", sa.Text),
    not_null("to_state", sa.Text),
    not_null("evidence", sa.Text),
    sa.Index(None, "version", "number"),
    sqlite_autoincrement=True,
)

before = new_metadata()

sa.Table(
    "models",
    before,
    sa.Column("model_version", Id, primary_key=True),
    not_null("state", sa.Text),
    not_null("bundle_path", sa.Text),
    not_null("bundle_hash", sa.Text),
    not_null("schema_hash", sa.Text),
    not_null("encoder", Id),
    not_null("metrics", sa.Text),
    not_null("needs_retraining", sa.Boolean),
    not_null("created_at", TIME),
    sa.Column("promoted_at", TIME),
    sa.Index(None, "state", "promoted_at"),
)


def upgrade() -> None:
    op.drop_table("models")
    frozen.create_all(op.get_bind(), checkfirst=False)
