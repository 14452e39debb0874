"""Alembic's entry: writes the SQL of the revisions that ``autograph.database`` asks for; it runs them itself.

So nothing here connects, and revisions are SQL alone: they cannot read rows into Python.
"""

from alembic import context

from chassis.database import REVISION_SCHEMA, REVISION_TABLE

context.configure(
    dialect_name="postgresql",
    dialect_opts={"paramstyle": "named"},  # leaves % as it is
    version_table=REVISION_TABLE,
    version_table_schema=REVISION_SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
