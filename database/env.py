"""Run Alembic's scripts in the transaction that ``database.schema`` has opened and will commit."""

from alembic import context

from database.columns import new_metadata

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    # For the names of constraints.
    target_metadata=new_metadata(),
    # SQLite changes a column only by building the table anew.
    render_as_batch=True,
)

with context.begin_transaction():
    context.run_migrations()
