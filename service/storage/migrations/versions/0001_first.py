"""Create the first tables, and the secret of this installation."""

import datetime as dt
import secrets

import sqlalchemy as sa
from alembic import op

from database.columns import Id, Sequence, belongs_to, new_metadata, not_null

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)

frozen = new_metadata()

installation = sa.Table(
    "installation",
    frozen,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    not_null("page_token_key", sa.LargeBinary),
    not_null("created_at", TIME),
)

sa.Table(
    "papers",
    frozen,
    sa.Column("paper_id", Id, primary_key=True),
    not_null("text_hash", Id),
    not_null("embedding_state", sa.Text),
    not_null("first_seen_at", TIME),
    sa.Column("published_at", TIME),
    sa.Column("upvotes", sa.Integer),
    not_null("url", sa.Text),
    not_null("title", sa.Text),
    not_null("authors", sa.Text),
    not_null("categories", sa.Text),
    not_null("abstract", sa.Text),
    sa.Index(None, "first_seen_at", "paper_id"),
)

sa.Table(
    "paper_aliases",
    frozen,
    sa.Column("alias", Id, primary_key=True),
    not_null("paper_id", Id, belongs_to("papers.paper_id"), index=True),
)

sa.Table(
    "embeddings",
    frozen,
    sa.Column("encoder", Id, primary_key=True),
    sa.Column("paper_id", Id, belongs_to("papers.paper_id"), primary_key=True, index=True),
    not_null("text_hash", Id),
    not_null("dim", sa.Integer),
    not_null("vector", sa.LargeBinary),
)

sa.Table(
    "embedding_jobs",
    frozen,
    sa.Column("encoder", Id, primary_key=True),
    sa.Column("paper_id", Id, belongs_to("papers.paper_id"), primary_key=True, index=True),
    not_null("text_hash", Id),
    sa.Column("leased_until", TIME),
    not_null("is_failed", sa.Boolean),
)

sa.Table(
    "paper_signals",
    frozen,
    sa.Column("paper_id", Id, belongs_to("papers.paper_id"), primary_key=True),
    sa.Column("seen_at", TIME, primary_key=True),
    not_null("upvotes", sa.Integer),
)

sa.Table(
    "digests",
    frozen,
    sa.Column("digest_id", Id, primary_key=True),
    not_null("date", sa.Date),
    not_null("title", sa.Text),
    not_null("source", sa.Text),
    not_null("version", sa.BigInteger),
    not_null("created_at", TIME),
    sa.Index(None, "date", "created_at", "digest_id"),
)

sa.Table(
    "digest_papers",
    frozen,
    sa.Column("digest_id", Id, belongs_to("digests.digest_id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    not_null("paper_id", Id, belongs_to("papers.paper_id"), index=True),
    sa.UniqueConstraint("digest_id", "paper_id"),
)

sa.Table(
    "users",
    frozen,
    sa.Column("user_id", Id, primary_key=True),
    not_null("version", sa.BigInteger),
    not_null("created_at", TIME),
    not_null("updated_at", TIME),
)

sa.Table(
    "preferences",
    frozen,
    sa.Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
    not_null("followed_topics", sa.Text),
    not_null("muted_topics", sa.Text),
    not_null("followed_authors", sa.Text),
    not_null("muted_authors", sa.Text),
    not_null("muted_keywords", sa.Text),
)

sa.Table(
    "events",
    frozen,
    sa.Column("sequence", Sequence, primary_key=True),
    not_null("event_id", Id, unique=True),
    not_null("user_id", Id, belongs_to("users.user_id")),
    not_null("paper_id", Id, belongs_to("papers.paper_id"), index=True),
    not_null("event_type", sa.Text),
    sa.Column("occurred_at", TIME),
    not_null("slate_id", Id),
    not_null("recorded_at", TIME),
    sa.Index(None, "user_id", "sequence"),
    sa.Index(None, "event_type", "recorded_at"),
    sqlite_autoincrement=True,
)

sa.Table(
    "slates",
    frozen,
    sa.Column("slate_id", Id, primary_key=True),
    not_null("user_id", Id),
    not_null("digest_id", Id),
    not_null("model_version", sa.Text),
    not_null("fallback_reason", sa.Text),
    not_null("as_of", TIME),
    not_null("created_at", TIME),
    not_null("request_hash", sa.Text),
    not_null("pending_paper_count", sa.Integer),
    sa.Index(None, "user_id", "created_at", "slate_id"),
    sa.Index(None, "created_at", "slate_id"),
)

sa.Table(
    "slate_items",
    frozen,
    sa.Column("slate_id", Id, belongs_to("slates.slate_id"), primary_key=True),
    sa.Column("rank", sa.Integer, primary_key=True),
    not_null("paper_id", Id),
    not_null("score", sa.Double),
    not_null("reasons", sa.Text),
    not_null("action_propensity", sa.Double),
    not_null("features", sa.LargeBinary),
)

sa.Table(
    "deleted_users",
    frozen,
    sa.Column("user_id_hash", Id, primary_key=True),
    not_null("deleted_at", TIME),
    not_null("last_version", sa.BigInteger),
    sa.Index(None, "deleted_at", "user_id_hash"),
)

sa.Table(
    "models",
    frozen,
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

sa.Table(
    "api_keys",
    frozen,
    sa.Column("key_id", Id, primary_key=True),
    not_null("key_hash", Id, unique=True),
    not_null("label", sa.Text),
    not_null("role", sa.Text),
    not_null("created_at", TIME),
    sa.Column("expires_at", TIME),
    sa.Column("revoked_at", TIME),
)


def upgrade() -> None:
    connection = op.get_bind()
    frozen.create_all(connection, checkfirst=False)
    row = {"id": 1, "page_token_key": secrets.token_bytes(32), "created_at": dt.datetime.now(dt.UTC)}
    connection.execute(installation.insert(), row)
