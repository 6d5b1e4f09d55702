"""An event id belongs to its user: events of two users may have the same id."""

import sqlalchemy as sa
from alembic import op

from database.columns import Id, Sequence, not_null

revision = "0007"
down_revision = "0006"

COLUMNS = "sequence, event_id, user_id, paper_id, event_type, occurred_at, slate_id, recorded_at"
INDEXES = (("paper_id",), ("user_id", "sequence"), ("event_type", "recorded_at"))

sequences = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))


def upgrade() -> None:
    _make_unique(["user_id", "event_id"], instead_of="uq_events_event_id")


def _make_unique(columns: list[str], *, instead_of: str) -> None:
    name = f"uq_events_{'_'.join(columns)}"
    if op.get_bind().dialect.name == "sqlite":
        _build_anew(sa.UniqueConstraint(*columns, name=name))
        return
    op.drop_constraint(instead_of, "events", type_="unique")
    op.create_unique_constraint(name, "events", columns)


def _build_anew(unique: sa.UniqueConstraint) -> None:
    """Replace the table by one with another constraint, which SQLite cannot change."""
    connection = op.get_bind()
    last = connection.scalar(sa.select(sequences.c.seq).where(sequences.c.name == "events"))
    op.create_table(
        "new_events",
        sa.Column("sequence", Sequence, primary_key=True),
        not_null("event_id", Id),
        not_null("user_id", Id),
        not_null("paper_id", Id),
        not_null("event_type", sa.Text),
        sa.Column("occurred_at", sa.DateTime(timezone=True)),
        not_null("slate_id", Id),
        not_null("recorded_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_events_user_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.paper_id"], name="fk_events_paper_id", ondelete="CASCADE"),
        unique,
        sqlite_autoincrement=True,
    )
    op.execute(f"INSERT INTO new_events ({COLUMNS}) SELECT {COLUMNS} FROM events ORDER BY sequence")  # noqa: S608
    op.drop_table("events")
    op.rename_table("new_events", "events")
    for columns in INDEXES:
        op.create_index(f"ix_events_{'_'.join(columns)}", "events", list(columns))
    if last is not None:
        # Numbers of deleted events are not reused, because caches of running servers may have seen them.
        connection.execute(sa.delete(sequences).where(sequences.c.name == "events"))
        connection.execute(sa.insert(sequences).values(name="events", seq=last))
