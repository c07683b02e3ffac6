"""What Alembic runs: the connection is given by `raptscallions_chat.store.migrate`."""

from __future__ import annotations

from alembic import context

from raptscallions_chat.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
