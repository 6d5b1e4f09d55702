"""Create the first tables, and the secret of this installation."""

import datetime as dt
import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

frozen = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def must(name: str, column_type: Any, *constraints: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, column_type, *constraints, nullable=False, **options)


def belongs_to(target: str) -> sa.ForeignKey:
    return sa.ForeignKey(target, ondelete="CASCADE")


installation = sa.Table(
    "installation",
    frozen,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    must("page_token_key", sa.LargeBinary),
    must("created_at", TIME),
)

sa.Table(
    "papers",
    frozen,
    sa.Column("paper_id", ID, primary_key=True),
    must("text_hash", ID),
    must("embedding_state", sa.Text),
    must("first_seen_at", TIME),
    sa.Column("published_at", TIME),
    sa.Column("upvotes", sa.Integer),
    must("url", sa.Text),
    must("title", sa.Text),
    must("authors", sa.Text),
    must("categories", sa.Text),
    must("abstract", sa.Text),
    sa.Index(None, "first_seen_at", "paper_id"),
)

sa.Table(
    "paper_aliases",
    frozen,
    sa.Column("alias", ID, primary_key=True),
    must("paper_id", ID, belongs_to("papers.paper_id"), index=True),
)

sa.Table(
    "embeddings",
    frozen,
    sa.Column("encoder", ID, primary_key=True),
    sa.Column("paper_id", ID, belongs_to("papers.paper_id"), primary_key=True, index=True),
    must("text_hash", ID),
    must("dim", sa.Integer),
    must("vector", sa.LargeBinary),
)

sa.Table(
    "embedding_jobs",
    frozen,
    sa.Column("encoder", ID, primary_key=True),
    sa.Column("paper_id", ID, belongs_to("papers.paper_id"), primary_key=True, index=True),
    must("text_hash", ID),
    sa.Column("leased_until", TIME),
    must("is_failed", sa.Boolean),
)

sa.Table(
    "paper_signals",
    frozen,
    sa.Column("paper_id", ID, belongs_to("papers.paper_id"), primary_key=True),
    sa.Column("seen_at", TIME, primary_key=True),
    must("upvotes", sa.Integer),
)

sa.Table(
    "digests",
    frozen,
    sa.Column("digest_id", ID, primary_key=True),
    must("date", sa.Date),
    must("title", sa.Text),
    must("source", sa.Text),
    must("version", sa.BigInteger),
    must("created_at", TIME),
    sa.Index(None, "date", "created_at", "digest_id"),
)

sa.Table(
    "digest_papers",
    frozen,
    sa.Column("digest_id", ID, belongs_to("digests.digest_id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    must("paper_id", ID, belongs_to("papers.paper_id"), index=True),
    sa.UniqueConstraint("digest_id", "paper_id"),
)

sa.Table(
    "users",
    frozen,
    sa.Column("user_id", ID, primary_key=True),
    must("version", sa.BigInteger),
    must("created_at", TIME),
    must("updated_at", TIME),
)

sa.Table(
    "preferences",
    frozen,
    sa.Column("user_id", ID, belongs_to("users.user_id"), primary_key=True),
    must("followed_topics", sa.Text),
    must("muted_topics", sa.Text),
    must("followed_authors", sa.Text),
    must("muted_authors", sa.Text),
    must("muted_keywords", sa.Text),
)

sa.Table(
    "events",
    frozen,
    sa.Column("sequence", SEQUENCE, primary_key=True),
    must("event_id", ID, unique=True),
    must("user_id", ID, belongs_to("users.user_id")),
    must("paper_id", ID, belongs_to("papers.paper_id"), index=True),
    must("event_type", sa.Text),
    sa.Column("occurred_at", TIME),
    must("slate_id", ID),
    must("recorded_at", TIME),
    sa.Index(None, "user_id", "sequence"),
    sa.Index(None, "event_type", "recorded_at"),
    sqlite_autoincrement=True,
)

sa.Table(
    "slates",
    frozen,
    sa.Column("slate_id", ID, primary_key=True),
    must("user_id", ID),
    must("digest_id", ID),
    must("model_version", sa.Text),
    must("fallback_reason", sa.Text),
    must("as_of", TIME),
    must("created_at", TIME),
    must("request_hash", sa.Text),
    must("pending_paper_count", sa.Integer),
    sa.Index(None, "user_id", "created_at", "slate_id"),
    sa.Index(None, "created_at", "slate_id"),
)

sa.Table(
    "slate_items",
    frozen,
    sa.Column("slate_id", ID, belongs_to("slates.slate_id"), primary_key=True),
    sa.Column("rank", sa.Integer, primary_key=True),
    must("paper_id", ID),
    must("score", sa.Double),
    must("reasons", sa.Text),
    must("action_propensity", sa.Double),
    must("features", sa.LargeBinary),
)

sa.Table(
    "deleted_users",
    frozen,
    sa.Column("user_id_hash", ID, primary_key=True),
    must("deleted_at", TIME),
    must("last_version", sa.BigInteger),
    sa.Index(None, "deleted_at", "user_id_hash"),
)

sa.Table(
    "models",
    frozen,
    sa.Column("model_version", ID, primary_key=True),
    must("state", sa.Text),
    must("bundle_path", sa.Text),
    must("bundle_hash", sa.Text),
    must("schema_hash", sa.Text),
    must("encoder", ID),
    must("metrics", sa.Text),
    must("needs_retraining", sa.Boolean),
    must("created_at", TIME),
    sa.Column("promoted_at", TIME),
    sa.Index(None, "state", "promoted_at"),
)

sa.Table(
    "api_keys",
    frozen,
    sa.Column("key_id", ID, primary_key=True),
    must("key_hash", ID, unique=True),
    must("label", sa.Text),
    must("role", sa.Text),
    must("created_at", TIME),
    sa.Column("expires_at", TIME),
    sa.Column("revoked_at", TIME),
)


def upgrade() -> None:
    connection = op.get_bind()
    frozen.create_all(connection, checkfirst=False)
    row = {"id": 1, "page_token_key": secrets.token_bytes(32), "created_at": dt.datetime.now(dt.UTC)}
    connection.execute(installation.insert(), row)


def downgrade() -> None:
    frozen.drop_all(op.get_bind(), checkfirst=False)
