"""Alembic's entry: run the migrations on the connection that `store.schema` hands over."""

from alembic import context

from store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
    compare_server_default=True,
)
context.run_migrations()
