"""Create the first tables, and the key of this installation."""

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
    "mail_installation",
    frozen,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    not_null("signing_key", sa.LargeBinary),
    not_null("created_at", TIME),
    sa.Column("deleted_users_read_until", TIME),
)

sa.Table(
    "mail_subscribers",
    frozen,
    sa.Column("subscriber_id", Id, primary_key=True),
    not_null("user_id", Id, unique=True),
    not_null("user_id_hash", Id, unique=True),
    not_null("address", sa.Text),
    not_null("address_key", Id, unique=True),
    not_null("name", sa.Text),
    not_null("state", sa.Text),
    not_null("weekdays", sa.Text),
    not_null("local_time", sa.Time),
    not_null("time_zone", sa.Text),
    not_null("paper_count", sa.Integer),
    not_null("confirm_nonce", Id),
    not_null("created_at", TIME),
    not_null("updated_at", TIME),
    sa.Index(None, "state", "subscriber_id"),
)

sa.Table(
    "mail_consents",
    frozen,
    sa.Column("sequence", Sequence, primary_key=True),
    not_null("subscriber_id", Id, belongs_to("mail_subscribers.subscriber_id"), index=True),
    not_null("kind", sa.Text),
    not_null("address", sa.Text),
    not_null("source", sa.Text),
    not_null("occurred_at", TIME),
    sqlite_autoincrement=True,
)

sa.Table(
    "mail_confirmations",
    frozen,
    sa.Column("subscriber_id", Id, belongs_to("mail_subscribers.subscriber_id"), primary_key=True),
    not_null("attempt_count", sa.Integer),
    not_null("next_attempt_at", TIME, index=True),
    not_null("problem", sa.Text),
)

sa.Table(
    "mail_suppressions",
    frozen,
    sa.Column("address_hash", Id, primary_key=True),
    not_null("reason", sa.Text),
    not_null("detail", sa.Text),
    not_null("created_at", TIME),
)

sa.Table(
    "mail_issues",
    frozen,
    sa.Column("issue_id", Id, primary_key=True),
    not_null("subscriber_id", Id, belongs_to("mail_subscribers.subscriber_id")),
    not_null("digest_id", Id),
    not_null("slate_id", Id),
    not_null("message_id", Id, unique=True),
    not_null("subject", sa.Text),
    not_null("content", sa.LargeBinary),
    not_null("state", sa.Text),
    not_null("attempt_count", sa.Integer),
    not_null("next_attempt_at", TIME),
    not_null("owner", Id),
    sa.Column("leased_until", TIME),
    not_null("problem", sa.Text),
    not_null("created_at", TIME),
    sa.Column("sent_at", TIME),
    sa.Column("reported_at", TIME),
    sa.UniqueConstraint("subscriber_id", "digest_id"),
    sa.Index(None, "state", "next_attempt_at", "issue_id"),
    sa.Index(None, "subscriber_id", "created_at"),
)

sa.Table(
    "mail_issue_papers",
    frozen,
    sa.Column("issue_id", Id, belongs_to("mail_issues.issue_id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    not_null("paper_id", Id),
    not_null("title", sa.Text),
    not_null("url", sa.Text),
)

sa.Table(
    "mail_reactions",
    frozen,
    sa.Column("sequence", Sequence, primary_key=True),
    not_null("event_id", Id, unique=True),
    not_null("subscriber_id", Id, belongs_to("mail_subscribers.subscriber_id"), index=True),
    not_null("issue_id", Id, belongs_to("mail_issues.issue_id")),
    not_null("paper_id", Id),
    not_null("slate_id", Id),
    not_null("event_type", Id),
    not_null("is_scanner", sa.Integer),
    not_null("occurred_at", TIME),
    sa.Column("forwarded_at", TIME, index=True),
    not_null("problem", sa.Text),
    sqlite_autoincrement=True,
)

sa.Table(
    "mail_runs",
    frozen,
    sa.Column("sequence", Sequence, primary_key=True),
    not_null("kind", Id),
    not_null("started_at", TIME),
    sa.Column("ended_at", TIME),
    not_null("outcomes", sa.Text),
    not_null("problem", sa.Text),
    sa.Index(None, "kind", "started_at"),
    sqlite_autoincrement=True,
)


def upgrade() -> None:
    connection = op.get_bind()
    frozen.create_all(connection, checkfirst=False)
    row = {"id": 1, "signing_key": secrets.token_bytes(32), "created_at": dt.datetime.now(dt.UTC)}
    connection.execute(installation.insert(), row)
