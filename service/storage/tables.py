"""The tables that statements are built from. Only the migrations create tables; a test compares the two."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from database.columns import Id, Json, Sequence, Texts, UtcDateTime, Word, belongs_to, new_metadata, not_null
from service.domain.events import EventType
from service.domain.feeds import FallbackReason
from service.domain.models import ModelState
from service.domain.papers import EmbeddingState

metadata = new_metadata()

installation = Table(
    "installation",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    not_null("page_token_key", LargeBinary),
    not_null("created_at", UtcDateTime),
)

# The short columns come first: SQLite reads a long row only as far as the last column that a statement needs.
papers = Table(
    "papers",
    metadata,
    Column("paper_id", Id, primary_key=True),
    not_null("text_hash", Id),
    not_null("embedding_state", Word(EmbeddingState)),
    not_null("first_seen_at", UtcDateTime),
    Column("published_at", UtcDateTime),
    Column("upvotes", Integer),
    not_null("url", Text),
    not_null("title", Text),
    not_null("authors", Texts),
    not_null("categories", Texts),
    not_null("abstract", Text),
    Index(None, "first_seen_at", "paper_id"),
)

paper_aliases = Table(
    "paper_aliases",
    metadata,
    Column("alias", Id, primary_key=True),
    not_null("paper_id", Id, belongs_to("papers.paper_id"), index=True),
)

# Vectors of the present text only: a transaction that changes a text deletes its vectors.
embeddings = Table(
    "embeddings",
    metadata,
    Column("encoder", Id, primary_key=True),
    Column("paper_id", Id, belongs_to("papers.paper_id"), primary_key=True, index=True),
    not_null("text_hash", Id),
    not_null("dim", Integer),
    not_null("vector", LargeBinary),
)

# Texts that an encoder has claimed (with a lease) or cannot embed (is_failed, no lease). A lease of an earlier text has
# no effect; a failure is deleted when the text changes.
embedding_jobs = Table(
    "embedding_jobs",
    metadata,
    Column("encoder", Id, primary_key=True),
    Column("paper_id", Id, belongs_to("papers.paper_id"), primary_key=True, index=True),
    not_null("text_hash", Id),
    Column("leased_until", UtcDateTime),
    not_null("is_failed", Boolean),
)

paper_signals = Table(
    "paper_signals",
    metadata,
    Column("paper_id", Id, belongs_to("papers.paper_id"), primary_key=True),
    Column("seen_at", UtcDateTime, primary_key=True),
    not_null("upvotes", Integer),
)

# Changes that caches have to read; see ``changes``. No foreign keys: a row stays when its paper is deleted.
vector_changes = Table(
    "vector_changes",
    metadata,
    Column("encoder", Id, primary_key=True),
    Column("paper_id", Id, primary_key=True),
    not_null("version", BigInteger),
    Index(None, "encoder", "version"),
)

signal_changes = Table(
    "signal_changes",
    metadata,
    Column("paper_id", Id, primary_key=True),
    not_null("version", BigInteger, index=True),
)

digests = Table(
    "digests",
    metadata,
    Column("digest_id", Id, primary_key=True),
    not_null("date", Date),
    not_null("title", Text),
    not_null("source", Text),
    not_null("version", BigInteger),
    not_null("created_at", UtcDateTime),
    Index(None, "date", "created_at", "digest_id"),
)

digest_papers = Table(
    "digest_papers",
    metadata,
    Column("digest_id", Id, belongs_to("digests.digest_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    not_null("paper_id", Id, belongs_to("papers.paper_id"), index=True),
    UniqueConstraint("digest_id", "paper_id"),
)

users = Table(
    "users",
    metadata,
    Column("user_id", Id, primary_key=True),
    not_null("version", BigInteger),
    not_null("created_at", UtcDateTime),
    not_null("updated_at", UtcDateTime),
)

preferences = Table(
    "preferences",
    metadata,
    Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
    not_null("followed_topics", Texts),
    not_null("muted_topics", Texts),
    not_null("followed_authors", Texts),
    not_null("muted_authors", Texts),
    not_null("muted_keywords", Texts),
)

# One row for all interests of a user: they are always read and written together. Users without edits have no row.
interests = Table(
    "interests",
    metadata,
    Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
    not_null("interests", Json),
    not_null("unsorted_paper_ids", Texts),
)

# slate_id has no foreign key: slates are pruned long before the likes that they led to.
events = Table(
    "events",
    metadata,
    Column("sequence", Sequence, primary_key=True),
    not_null("event_id", Id),
    not_null("user_id", Id, belongs_to("users.user_id")),
    not_null("paper_id", Id, belongs_to("papers.paper_id"), index=True),
    not_null("event_type", Word(EventType)),
    Column("occurred_at", UtcDateTime),
    not_null("slate_id", Id),
    not_null("recorded_at", UtcDateTime),
    UniqueConstraint("user_id", "event_id"),
    Index(None, "user_id", "sequence"),
    Index(None, "event_type", "recorded_at"),
    sqlite_autoincrement=True,
)

# user_id has no foreign key: an unknown user gets a slate too, and that does not create the user.
# digest_id holds the ids of all digests of the slate, separated by spaces. They have no foreign key: a slate outlives
# its digests.
# One row holds a whole slate: a row for each of 77 items took a third of the time of a feed (docs/adr/0020).
slates = Table(
    "slates",
    metadata,
    Column("slate_id", Id, primary_key=True),
    not_null("user_id", Id),
    not_null("digest_id", Id),
    not_null("model_version", Text),
    not_null("fallback_reason", Word(FallbackReason)),
    not_null("as_of", UtcDateTime),
    not_null("created_at", UtcDateTime),
    not_null("request_hash", Text),
    not_null("pending_paper_count", Integer),
    not_null("features_version", Text, server_default=""),
    not_null("items", Text),
    not_null("features", LargeBinary),
    not_null("statistics_version", BigInteger, server_default="0"),
    not_null("stale_digest", Boolean, server_default=false()),
    not_null("sections", Json, server_default="[]"),
    Index(None, "user_id", "created_at", "slate_id"),
    Index(None, "created_at", "slate_id"),
)

# digest_id has no foreign key: a slate may outlive its digest, and is then never served.
precomputed_slates = Table(
    "precomputed_slates",
    metadata,
    Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
    Column("digest_id", Id, primary_key=True),
    not_null("user_version", BigInteger),
    not_null("digest_version", BigInteger),
    not_null("model_version", Text),
    not_null("features_version", Text),
    not_null("diversity", Double),
    not_null("fallback_reason", Word(FallbackReason)),
    not_null("as_of", UtcDateTime, index=True),
    not_null("pending_paper_count", Integer),
    not_null("is_whole", Boolean),
    not_null("items", Text),
    not_null("features", LargeBinary),
    not_null("statistics_version", BigInteger, server_default="0"),
)

# Without data, a row is the claim of a process that is counting. Versions are never given twice.
catalog_statistics = Table(
    "catalog_statistics",
    metadata,
    Column("version", Sequence, primary_key=True),
    not_null("encoder", Id),
    not_null("paper_count", BigInteger),
    not_null("vector_version", BigInteger),
    not_null("claimed_at", UtcDateTime),
    Column("counted_at", UtcDateTime),
    Column("data", LargeBinary),
    Index(None, "encoder", "version"),
    sqlite_autoincrement=True,
)

# last_version: a user who is created again starts above it, so that no cache takes entries of the deleted user.
deleted_users = Table(
    "deleted_users",
    metadata,
    Column("user_id_hash", Id, primary_key=True),
    not_null("deleted_at", UtcDateTime),
    not_null("last_version", BigInteger),
    Index(None, "deleted_at", "user_id_hash"),
)

# An API key has a key_hash; the scopes that are granted to a client certificate have its name in certificate.
api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Id, primary_key=True),
    Column("key_hash", Id, unique=True),
    Column("certificate", Text),
    not_null("name", Text),
    not_null("scopes", Texts),
    not_null("created_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
)

# No foreign key to api_keys, and no ids of users: an entry outlives what it is about.
audit_log = Table(
    "audit_log",
    metadata,
    Column("sequence", Sequence, primary_key=True),
    not_null("recorded_at", UtcDateTime, index=True),
    not_null("actor", Text),
    not_null("key_id", Id),
    not_null("action", Text),
    not_null("target", Text),
    not_null("outcome", Text),
    sqlite_autoincrement=True,
)

models = Table(
    "models",
    metadata,
    Column("version", Id, primary_key=True),
    not_null("content_sha256", Id, unique=True),
    not_null("state", Word(ModelState)),
    not_null("encoder", Id),
    not_null("schema_sha256", Text),
    not_null("size_bytes", BigInteger),
    not_null("metrics", Json),
    not_null("gate_passed", Boolean),
    not_null("needs_retraining", Boolean),
    not_null("created_at", UtcDateTime),
    not_null("registered_at", UtcDateTime),
    Index(None, "registered_at", "version"),
)

# Rows serving, previous and canary. Only the canary has a share and an experiment.
model_aliases = Table(
    "model_aliases",
    metadata,
    Column("alias", Id, primary_key=True),
    not_null("version", Id, belongs_to("models.version")),
    Column("share", Double),
    Column("experiment_id", Text),
)

# Rows are only added.
model_log = Table(
    "model_log",
    metadata,
    Column("number", Sequence, primary_key=True),
    not_null("version", Id, belongs_to("models.version")),
    not_null("at", UtcDateTime),
    not_null("actor", Text),
    Column("from_state", Word(ModelState)),
    not_null("to_state", Word(ModelState)),
    not_null("evidence", Json),
    Index(None, "version", "number"),
    sqlite_autoincrement=True,
)

# Synced libraries; see ``service.app.library_sync``.
library_sources = Table(
    "library_sources",
    metadata,
    Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
    Column("source", Id, primary_key=True),
    not_null("version", BigInteger),
    not_null("fingerprint", Text),
    not_null("chosen", Texts),
    not_null("reached", Texts),
    not_null("synced_at", UtcDateTime),
    not_null("as_interests", Boolean, server_default=false()),
)

library_items = Table(
    "library_items",
    metadata,
    Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
    Column("source", Id, primary_key=True),
    Column("item_key", Id, primary_key=True),
    not_null("paper_id", Id, belongs_to("papers.paper_id"), index=True),
    Column("added_at", UtcDateTime),
    not_null("collections", Texts),
)

library_collections = Table(
    "library_collections",
    metadata,
    Column("user_id", Id, belongs_to("users.user_id"), primary_key=True),
    Column("source", Id, primary_key=True),
    Column("collection_key", Id, primary_key=True),
    not_null("name", Text),
    not_null("parent_key", Text),
)
