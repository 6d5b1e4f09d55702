"""Runs the scripts in the transaction that ``mailer.storage.schema`` opened, locked and will commit."""

from alembic import context

from mailer.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a column only by building the table anew.
    render_as_batch=True,
    # The same database may hold the service's tables beside ours.
    version_table="mail_alembic_version",
)

with context.begin_transaction():
    context.run_migrations()
