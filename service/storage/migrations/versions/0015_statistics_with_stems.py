"""Remove the statistics of the catalog that were counted without stems of words; a server counts them again."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM catalog_statistics")


def downgrade() -> None:
    op.execute("DELETE FROM catalog_statistics")
