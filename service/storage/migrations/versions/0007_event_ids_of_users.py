"""An event id belongs to its user: events of two users may have the same id."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_sequences = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))


def upgrade() -> None:
    _replace_constraint("uq_events_event_id", "uq_events_user_id_event_id", ["user_id", "event_id"])


def downgrade() -> None:
    # Of events with the same id, the first stays: the previous release never stored another one.
    op.execute("DELETE FROM events WHERE sequence NOT IN (SELECT min(sequence) FROM events GROUP BY event_id)")
    _replace_constraint("uq_events_user_id_event_id", "uq_events_event_id", ["event_id"])


def _replace_constraint(old: str, new: str, columns: list[str]) -> None:
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    last = connection.scalar(sa.select(_sequences.c.seq).where(_sequences.c.name == "events")) if is_sqlite else None
    # SQLite builds the table anew.
    with op.batch_alter_table("events", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.drop_constraint(old, type_="unique")
        table.create_unique_constraint(new, columns)
    if last is not None:
        # Numbers of deleted events are not given again, because caches of running servers may have seen them.
        connection.execute(sa.delete(_sequences).where(_sequences.c.name == "events"))
        connection.execute(sa.insert(_sequences).values(name="events", seq=last))
