"""What statements are built from. These tables never create anything: the migrations do, and a test compares the two.

All names begin with ``mail_``, so that a small installation may keep them beside the service's in one database.
"""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Time,
    UniqueConstraint,
)

from mailer.domain.issue import IssueState
from mailer.domain.subscription import ConsentKind, SubscriptionState, SuppressionReason
from mailer.storage.types import Id, Json, Sequence, UtcDateTime, Word

# Named constraints, because a later migration cannot drop a nameless one.
NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
metadata = MetaData(naming_convention=NAMES)


def _must(name: str, column_type: Any, *constraints: Any, **options: Any) -> Column[Any]:
    return Column(name, column_type, *constraints, nullable=False, **options)


def _belongs_to(target: str) -> ForeignKey:
    return ForeignKey(target, ondelete="CASCADE")


# deleted_users_read_until: when the latest of the service's deletions was that has been carried out here.
installation = Table(
    "mail_installation",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    _must("signing_key", LargeBinary),
    _must("created_at", UtcDateTime),
    Column("deleted_users_read_until", UtcDateTime),
)

# The service's deletions that have been carried out here, as far back as they are asked for again.
deletions = Table(
    "mail_deletions",
    metadata,
    Column("user_id_hash", Id, primary_key=True),
    Column("deleted_at", UtcDateTime, primary_key=True),
)

# address_key: the address in the form in which two spellings of it are equal.
# user_id_hash: as in the service's tombstones, SHA-256 in hexadecimal.
subscribers = Table(
    "mail_subscribers",
    metadata,
    Column("subscriber_id", Id, primary_key=True),
    _must("user_id", Id, unique=True),
    _must("user_id_hash", Id, unique=True),
    _must("address", Text),
    _must("address_key", Id, unique=True),
    _must("name", Text),
    _must("state", Word(SubscriptionState)),
    _must("weekdays", Json),
    _must("local_time", Time),
    _must("time_zone", Text),
    _must("paper_count", Integer),
    _must("confirm_nonce", Id),
    _must("created_at", UtcDateTime),
    _must("updated_at", UtcDateTime),
    Index(None, "state", "subscriber_id"),
)

# Only added to. It goes when its subscriber does.
consents = Table(
    "mail_consents",
    metadata,
    Column("sequence", Sequence, primary_key=True),
    _must("subscriber_id", Id, _belongs_to("mail_subscribers.subscriber_id"), index=True),
    _must("kind", Word(ConsentKind)),
    _must("address", Text),
    _must("source", Text),
    _must("occurred_at", UtcDateTime),
    sqlite_autoincrement=True,
)

# Confirmations that are still to be sent; a row goes when the SMTP server has taken its message.
confirmations = Table(
    "mail_confirmations",
    metadata,
    Column("subscriber_id", Id, _belongs_to("mail_subscribers.subscriber_id"), primary_key=True),
    _must("attempt_count", Integer),
    _must("next_attempt_at", UtcDateTime, index=True),
    _must("problem", Text),
)

# By SHA-256 of the address_key, so that it may outlive the subscriber.
suppressions = Table(
    "mail_suppressions",
    metadata,
    Column("address_hash", Id, primary_key=True),
    _must("reason", Word(SuppressionReason)),
    _must("detail", Text),
    _must("created_at", UtcDateTime),
)

# The outbox. An issue goes with its content and papers when pruning removes it.
issues = Table(
    "mail_issues",
    metadata,
    Column("issue_id", Id, primary_key=True),
    _must("subscriber_id", Id, _belongs_to("mail_subscribers.subscriber_id")),
    _must("digest_id", Id),
    _must("slate_id", Id),
    _must("message_id", Id, unique=True),
    _must("subject", Text),
    _must("content", LargeBinary),
    _must("state", Word(IssueState)),
    _must("attempt_count", Integer),
    _must("next_attempt_at", UtcDateTime),
    _must("owner", Id),
    Column("leased_until", UtcDateTime),
    _must("problem", Text),
    _must("created_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("reported_at", UtcDateTime),  # when the `sent` events reached the service
    UniqueConstraint("subscriber_id", "digest_id"),
    Index(None, "state", "next_attempt_at", "issue_id"),
    Index(None, "subscriber_id", "created_at"),
)

issue_papers = Table(
    "mail_issue_papers",
    metadata,
    Column("issue_id", Id, _belongs_to("mail_issues.issue_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _must("paper_id", Id),
    _must("title", Text),
    _must("url", Text),
)

# What readers did, kept here first and forwarded to the service; event_id makes both idempotent. A click's event_id
# holds its hour. is_scanner: it looks like a machine that follows every link.
reactions = Table(
    "mail_reactions",
    metadata,
    Column("sequence", Sequence, primary_key=True),
    _must("event_id", Id, unique=True),
    _must("subscriber_id", Id, _belongs_to("mail_subscribers.subscriber_id"), index=True),
    _must("issue_id", Id, _belongs_to("mail_issues.issue_id")),
    _must("paper_id", Id),
    _must("slate_id", Id),
    _must("event_type", Id),
    _must("is_scanner", Integer),
    _must("occurred_at", UtcDateTime),
    Column("forwarded_at", UtcDateTime, index=True),
    _must("problem", Text),
    sqlite_autoincrement=True,
)

runs = Table(
    "mail_runs",
    metadata,
    Column("sequence", Sequence, primary_key=True),
    _must("kind", Id),
    _must("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    _must("outcomes", Json),
    _must("problem", Text),
    Index(None, "kind", "started_at"),
    sqlite_autoincrement=True,
)
