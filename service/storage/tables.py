"""What statements are built from. These tables never create anything: the migrations do, and a test compares the two.

Ids sort by code point on both engines, so a page that ends at an id on one ends there on the other.
"""

import datetime as dt
import enum
import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from service.domain.events import EventType
from service.domain.feeds import FallbackReason
from service.domain.papers import EmbeddingState

# Named constraints, because a later migration cannot drop a nameless one.
NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
metadata = MetaData(naming_convention=NAMES)

Id = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite counts by itself only in a column of exactly this type.
Sequence = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[dt.datetime]):
    """Aware in, UTC and aware out; SQLite by itself would drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, _dialect: Dialect) -> dt.datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return None if value is None else value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, _dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Texts(TypeDecorator[tuple[str, ...]]):
    """A tuple of texts, kept as a JSON list."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, _dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> tuple[str, ...] | None:
        return None if value is None else tuple(json.loads(value))


class Word(TypeDecorator[enum.Enum]):
    """A member of an enumeration, kept as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, members: type[enum.Enum]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: enum.Enum | None, _dialect: Dialect) -> str | None:
        return None if value is None else str(value.value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> enum.Enum | None:
        return None if value is None else self.members(value)


def _must(name: str, column_type: Any, *constraints: Any, **options: Any) -> Column[Any]:
    return Column(name, column_type, *constraints, nullable=False, **options)


def _belongs_to(target: str) -> ForeignKey:
    return ForeignKey(target, ondelete="CASCADE")


installation = Table(
    "installation",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    _must("page_token_key", LargeBinary),
    _must("created_at", UtcDateTime),
)

# The short columns come first: SQLite reads a long row only as far as the last column it is asked for.
papers = Table(
    "papers",
    metadata,
    Column("paper_id", Id, primary_key=True),
    _must("text_hash", Id),
    _must("embedding_state", Word(EmbeddingState)),
    _must("first_seen_at", UtcDateTime),
    Column("published_at", UtcDateTime),
    Column("upvotes", Integer),
    _must("url", Text),
    _must("title", Text),
    _must("authors", Texts),
    _must("categories", Texts),
    _must("abstract", Text),
    Index(None, "first_seen_at", "paper_id"),
)

paper_aliases = Table(
    "paper_aliases",
    metadata,
    Column("alias", Id, primary_key=True),
    _must("paper_id", Id, _belongs_to("papers.paper_id"), index=True),
)

# Only vectors of the present text are kept: whoever changes a text deletes its vectors in the same transaction.
embeddings = Table(
    "embeddings",
    metadata,
    Column("encoder", Id, primary_key=True),
    Column("paper_id", Id, _belongs_to("papers.paper_id"), primary_key=True, index=True),
    _must("text_hash", Id),
    _must("dim", Integer),
    _must("vector", LargeBinary),
)

# Who works on a text, or (is_failed, without a lease) that this encoder cannot. A lease of another text than the
# present one counts for nothing; a failure is deleted when the text changes.
embedding_jobs = Table(
    "embedding_jobs",
    metadata,
    Column("encoder", Id, primary_key=True),
    Column("paper_id", Id, _belongs_to("papers.paper_id"), primary_key=True, index=True),
    _must("text_hash", Id),
    Column("leased_until", UtcDateTime),
    _must("is_failed", Boolean),
)

paper_signals = Table(
    "paper_signals",
    metadata,
    Column("paper_id", Id, _belongs_to("papers.paper_id"), primary_key=True),
    Column("seen_at", UtcDateTime, primary_key=True),
    _must("upvotes", Integer),
)

# What caches read anew; see ``changes``. No foreign keys: a row outlives what it tells of.
vector_changes = Table(
    "vector_changes",
    metadata,
    Column("encoder", Id, primary_key=True),
    Column("paper_id", Id, primary_key=True),
    _must("version", BigInteger),
    Index(None, "encoder", "version"),
)

signal_changes = Table(
    "signal_changes",
    metadata,
    Column("paper_id", Id, primary_key=True),
    _must("version", BigInteger, index=True),
)

digests = Table(
    "digests",
    metadata,
    Column("digest_id", Id, primary_key=True),
    _must("date", Date),
    _must("title", Text),
    _must("source", Text),
    _must("version", BigInteger),
    _must("created_at", UtcDateTime),
    Index(None, "date", "created_at", "digest_id"),
)

digest_papers = Table(
    "digest_papers",
    metadata,
    Column("digest_id", Id, _belongs_to("digests.digest_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _must("paper_id", Id, _belongs_to("papers.paper_id"), index=True),
    UniqueConstraint("digest_id", "paper_id"),
)

users = Table(
    "users",
    metadata,
    Column("user_id", Id, primary_key=True),
    _must("version", BigInteger),
    _must("created_at", UtcDateTime),
    _must("updated_at", UtcDateTime),
)

preferences = Table(
    "preferences",
    metadata,
    Column("user_id", Id, _belongs_to("users.user_id"), primary_key=True),
    _must("followed_topics", Texts),
    _must("muted_topics", Texts),
    _must("followed_authors", Texts),
    _must("muted_authors", Texts),
    _must("muted_keywords", Texts),
)

# slate_id has no foreign key: retention drops slates long before the likes they led to.
events = Table(
    "events",
    metadata,
    Column("sequence", Sequence, primary_key=True),
    _must("event_id", Id, unique=True),
    _must("user_id", Id, _belongs_to("users.user_id")),
    _must("paper_id", Id, _belongs_to("papers.paper_id"), index=True),
    _must("event_type", Word(EventType)),
    Column("occurred_at", UtcDateTime),
    _must("slate_id", Id),
    _must("recorded_at", UtcDateTime),
    Index(None, "user_id", "sequence"),
    Index(None, "event_type", "recorded_at"),
    sqlite_autoincrement=True,
)

# user_id has no foreign key: an unknown user is served too, and does not come into being by that.
# One row holds all of a slate: 77 rows of their own took a third of the time of a feed (docs/adr/0020).
slates = Table(
    "slates",
    metadata,
    Column("slate_id", Id, primary_key=True),
    _must("user_id", Id),
    _must("digest_id", Id),
    _must("model_version", Text),
    _must("fallback_reason", Word(FallbackReason)),
    _must("as_of", UtcDateTime),
    _must("created_at", UtcDateTime),
    _must("request_hash", Text),
    _must("pending_paper_count", Integer),
    _must("features_version", Text, server_default=""),
    _must("items", Text),
    _must("features", LargeBinary),
    Index(None, "user_id", "created_at", "slate_id"),
    Index(None, "created_at", "slate_id"),
)

# digest_id has no foreign key: like a slate it may outlive its digest, and is then served to nobody.
precomputed_slates = Table(
    "precomputed_slates",
    metadata,
    Column("user_id", Id, _belongs_to("users.user_id"), primary_key=True),
    Column("digest_id", Id, primary_key=True),
    _must("user_version", BigInteger),
    _must("digest_version", BigInteger),
    _must("model_version", Text),
    _must("features_version", Text),
    _must("diversity", Double),
    _must("fallback_reason", Word(FallbackReason)),
    _must("as_of", UtcDateTime, index=True),
    _must("pending_paper_count", Integer),
    _must("is_whole", Boolean),
    _must("items", Text),
    _must("features", LargeBinary),
)

# last_version lets a user who comes back start above it: what caches hold of the old one can then never fit.
deleted_users = Table(
    "deleted_users",
    metadata,
    Column("user_id_hash", Id, primary_key=True),
    _must("deleted_at", UtcDateTime),
    _must("last_version", BigInteger),
    Index(None, "deleted_at", "user_id_hash"),
)

models = Table(
    "models",
    metadata,
    Column("model_version", Id, primary_key=True),
    _must("state", Text),
    _must("bundle_path", Text),
    _must("bundle_hash", Text),
    _must("schema_hash", Text),
    _must("encoder", Id),
    _must("metrics", Text),
    _must("needs_retraining", Boolean),
    _must("created_at", UtcDateTime),
    Column("promoted_at", UtcDateTime),
    Index(None, "state", "promoted_at"),
)

# Only the hash of a key is kept, so a copy of the database opens nothing.
api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Id, primary_key=True),
    _must("key_hash", Id, unique=True),
    _must("label", Text),
    _must("role", Text),
    _must("created_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)
