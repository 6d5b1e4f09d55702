"""Create the first tables, and the key of this installation."""

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
    "mail_installation",
    frozen,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    must("signing_key", sa.LargeBinary),
    must("created_at", TIME),
    sa.Column("deleted_users_read_until", TIME),
)

sa.Table(
    "mail_subscribers",
    frozen,
    sa.Column("subscriber_id", ID, primary_key=True),
    must("user_id", ID, unique=True),
    must("user_id_hash", ID, unique=True),
    must("address", sa.Text),
    must("address_key", ID, unique=True),
    must("name", sa.Text),
    must("state", sa.Text),
    must("weekdays", sa.Text),
    must("local_time", sa.Time),
    must("time_zone", sa.Text),
    must("paper_count", sa.Integer),
    must("confirm_nonce", ID),
    must("created_at", TIME),
    must("updated_at", TIME),
    sa.Index(None, "state", "subscriber_id"),
)

sa.Table(
    "mail_consents",
    frozen,
    sa.Column("sequence", SEQUENCE, primary_key=True),
    must("subscriber_id", ID, belongs_to("mail_subscribers.subscriber_id"), index=True),
    must("kind", sa.Text),
    must("address", sa.Text),
    must("source", sa.Text),
    must("occurred_at", TIME),
    sqlite_autoincrement=True,
)

sa.Table(
    "mail_confirmations",
    frozen,
    sa.Column("subscriber_id", ID, belongs_to("mail_subscribers.subscriber_id"), primary_key=True),
    must("attempt_count", sa.Integer),
    must("next_attempt_at", TIME, index=True),
    must("problem", sa.Text),
)

sa.Table(
    "mail_suppressions",
    frozen,
    sa.Column("address_hash", ID, primary_key=True),
    must("reason", sa.Text),
    must("detail", sa.Text),
    must("created_at", TIME),
)

sa.Table(
    "mail_issues",
    frozen,
    sa.Column("issue_id", ID, primary_key=True),
    must("subscriber_id", ID, belongs_to("mail_subscribers.subscriber_id")),
    must("digest_id", ID),
    must("slate_id", ID),
    must("message_id", ID, unique=True),
    must("subject", sa.Text),
    must("content", sa.LargeBinary),
    must("state", sa.Text),
    must("attempt_count", sa.Integer),
    must("next_attempt_at", TIME),
    must("owner", ID),
    sa.Column("leased_until", TIME),
    must("problem", sa.Text),
    must("created_at", TIME),
    sa.Column("sent_at", TIME),
    sa.Column("reported_at", TIME),
    sa.UniqueConstraint("subscriber_id", "digest_id"),
    sa.Index(None, "state", "next_attempt_at", "issue_id"),
    sa.Index(None, "subscriber_id", "created_at"),
)

sa.Table(
    "mail_issue_papers",
    frozen,
    sa.Column("issue_id", ID, belongs_to("mail_issues.issue_id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    must("paper_id", ID),
    must("title", sa.Text),
    must("url", sa.Text),
)

sa.Table(
    "mail_reactions",
    frozen,
    sa.Column("sequence", SEQUENCE, primary_key=True),
    must("event_id", ID, unique=True),
    must("subscriber_id", ID, belongs_to("mail_subscribers.subscriber_id"), index=True),
    must("issue_id", ID, belongs_to("mail_issues.issue_id")),
    must("paper_id", ID),
    must("slate_id", ID),
    must("event_type", ID),
    must("is_scanner", sa.Integer),
    must("occurred_at", TIME),
    sa.Column("forwarded_at", TIME, index=True),
    must("problem", sa.Text),
    sqlite_autoincrement=True,
)

sa.Table(
    "mail_runs",
    frozen,
    sa.Column("sequence", SEQUENCE, primary_key=True),
    must("kind", ID),
    must("started_at", TIME),
    sa.Column("ended_at", TIME),
    must("outcomes", sa.Text),
    must("problem", sa.Text),
    sa.Index(None, "kind", "started_at"),
    sqlite_autoincrement=True,
)


def upgrade() -> None:
    connection = op.get_bind()
    frozen.create_all(connection, checkfirst=False)
    row = {"id": 1, "signing_key": secrets.token_bytes(32), "created_at": dt.datetime.now(dt.UTC)}
    connection.execute(installation.insert(), row)


def downgrade() -> None:
    frozen.drop_all(op.get_bind(), checkfirst=False)
