"""Store each slate as one row: items and features move into the row of their slate."""

import json

import sqlalchemy as sa
from alembic import op

from database.columns import not_null

revision = "0005"
down_revision = "0004"

SLATES_AT_A_TIME = 500

slates = sa.table("slates", sa.column("slate_id"), sa.column("items"), sa.column("features"))
slate_items = sa.table(
    "slate_items",
    *(sa.column(name) for name in ("slate_id", "rank", "paper_id", "score", "reasons", "action_propensity")),
    sa.column("features", sa.LargeBinary),
)


def upgrade() -> None:
    op.add_column("slates", not_null("items", sa.Text, server_default="[]"))
    op.add_column("slates", not_null("features", sa.LargeBinary, server_default=sa.text("''")))
    connection = op.get_bind()
    slate_ids = connection.execute(sa.select(slates.c.slate_id)).scalars().all()
    for start in range(0, len(slate_ids), SLATES_AT_A_TIME):
        _join_items(connection, slate_ids[start : start + SLATES_AT_A_TIME])
    with op.batch_alter_table("slates") as table:
        table.alter_column("items", server_default=None)
        table.alter_column("features", server_default=None)
    op.drop_table("slate_items")
    # The form of precomputed slates changes too. The next batch job makes them again.
    op.execute("DELETE FROM precomputed_slates")


def _join_items(connection: sa.Connection, slate_ids: list[str]) -> None:
    found: dict[str, list[sa.Row]] = {slate_id: [] for slate_id in slate_ids}
    wanted = slate_items.select().where(slate_items.c.slate_id.in_(slate_ids)).order_by(slate_items.c.rank)
    for row in connection.execute(wanted):
        found[row.slate_id].append(row)
    rows = [{"slate": slate_id, "all_items": _items(own), "rows": _features(own)} for slate_id, own in found.items()]
    changes = {"items": sa.bindparam("all_items"), "features": sa.bindparam("rows", type_=sa.LargeBinary)}
    connection.execute(sa.update(slates).where(slates.c.slate_id == sa.bindparam("slate")).values(changes), rows)


def _items(rows: list[sa.Row]) -> str:
    items = [
        (
            row.paper_id,
            row.score,
            row.action_propensity,
            [(each["type"], each["subject"], each["paper_id"], each["similarity"]) for each in json.loads(row.reasons)],
        )
        for row in rows
    ]
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def _features(rows: list[sa.Row]) -> bytes:
    """Return the features of all items, or of none."""
    if len({len(row.features) for row in rows}) != 1:
        return b""
    return b"".join(bytes(row.features) for row in rows)
