"""The tables that statements are built from. Only the migrations create tables; a test compares the two.

All names begin with ``mail_``, so that a small installation can keep the mailer's tables in the service's database.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Time,
    UniqueConstraint,
    false,
)

from database.columns import Id, Json, Sequence, UtcDateTime, Word, belongs_to, new_metadata, not_null
from mailer.domain.issue import IssueState
from mailer.domain.subscription import ConsentKind, SubscriptionState, SuppressionReason

metadata = new_metadata()

# deleted_users_read_until: time of the latest deletion in the service that has been carried out here.
installation = Table(
    "mail_installation",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    not_null("signing_key", LargeBinary),
    not_null("created_at", UtcDateTime),
    Column("deleted_users_read_until", UtcDateTime),
)

# Deletions in the service that have been carried out here, as far back as they are read again.
deletions = Table(
    "mail_deletions",
    metadata,
    Column("user_id_hash", Id, primary_key=True),
    Column("deleted_at", UtcDateTime, primary_key=True),
)

# address_key: a form of the address that is equal for all its spellings.
# user_id_hash: SHA-256 in hexadecimal, as in the service's list of deleted users.
subscribers = Table(
    "mail_subscribers",
    metadata,
    Column("subscriber_id", Id, primary_key=True),
    not_null("user_id", Id, unique=True),
    not_null("user_id_hash", Id, unique=True),
    not_null("address", Text),
    not_null("address_key", Id, unique=True),
    not_null("name", Text),
    not_null("state", Word(SubscriptionState)),
    not_null("weekdays", Json),
    not_null("local_time", Time),
    not_null("time_zone", Text),
    not_null("paper_count", Integer),
    not_null("confirm_nonce", Id),
    not_null("created_at", UtcDateTime),
    not_null("updated_at", UtcDateTime),
    not_null("has_sections", Boolean, server_default=false()),
    Column("min_probability", Double),
    Index(None, "state", "subscriber_id"),
)

# Rows are added and never changed. They are deleted with their subscriber.
consents = Table(
    "mail_consents",
    metadata,
    Column("sequence", Sequence, primary_key=True),
    not_null("subscriber_id", Id, belongs_to("mail_subscribers.subscriber_id"), index=True),
    not_null("kind", Word(ConsentKind)),
    not_null("address", Text),
    not_null("source", Text),
    not_null("occurred_at", UtcDateTime),
    sqlite_autoincrement=True,
)

# Confirmations to send. A row is deleted when the SMTP server has accepted its message.
confirmations = Table(
    "mail_confirmations",
    metadata,
    Column("subscriber_id", Id, belongs_to("mail_subscribers.subscriber_id"), primary_key=True),
    not_null("attempt_count", Integer),
    not_null("next_attempt_at", UtcDateTime, index=True),
    not_null("problem", Text),
)

# The key is the SHA-256 of the address_key, so that a row may outlive its subscriber.
suppressions = Table(
    "mail_suppressions",
    metadata,
    Column("address_hash", Id, primary_key=True),
    not_null("reason", Word(SuppressionReason)),
    not_null("detail", Text),
    not_null("created_at", UtcDateTime),
)

# The outbox. Pruning deletes an issue with its content and papers.
issues = Table(
    "mail_issues",
    metadata,
    Column("issue_id", Id, primary_key=True),
    not_null("subscriber_id", Id, belongs_to("mail_subscribers.subscriber_id")),
    not_null("digest_id", Id),
    not_null("slate_id", Id),
    not_null("message_id", Id, unique=True),
    not_null("subject", Text),
    not_null("content", LargeBinary),
    not_null("state", Word(IssueState)),
    not_null("attempt_count", Integer),
    not_null("next_attempt_at", UtcDateTime),
    not_null("owner", Id),
    Column("leased_until", UtcDateTime),
    not_null("problem", Text),
    not_null("created_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("reported_at", UtcDateTime),  # when the `sent` events reached the service
    UniqueConstraint("subscriber_id", "digest_id"),
    Index(None, "state", "next_attempt_at", "issue_id"),
    Index(None, "subscriber_id", "created_at"),
)

issue_papers = Table(
    "mail_issue_papers",
    metadata,
    Column("issue_id", Id, belongs_to("mail_issues.issue_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    not_null("paper_id", Id),
    not_null("title", Text),
    not_null("url", Text),
)

# Reactions of subscribers, stored here first and then forwarded to the service; event_id makes both steps idempotent.
# The event_id of a click holds its hour. is_scanner: the click looks like a machine that follows every link.
reactions = Table(
    "mail_reactions",
    metadata,
    Column("sequence", Sequence, primary_key=True),
    not_null("event_id", Id, unique=True),
    not_null("subscriber_id", Id, belongs_to("mail_subscribers.subscriber_id"), index=True),
    not_null("issue_id", Id, belongs_to("mail_issues.issue_id")),
    not_null("paper_id", Id),
    not_null("slate_id", Id),
    not_null("event_type", Id),
    not_null("is_scanner", Integer),
    not_null("occurred_at", UtcDateTime),
    Column("forwarded_at", UtcDateTime, index=True),
    not_null("problem", Text),
    sqlite_autoincrement=True,
)

runs = Table(
    "mail_runs",
    metadata,
    Column("sequence", Sequence, primary_key=True),
    not_null("kind", Id),
    not_null("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    not_null("outcomes", Json),
    not_null("problem", Text),
    Index(None, "kind", "started_at"),
    sqlite_autoincrement=True,
)
