"""Inbox, outbox and cache members: what the chassis keeps in every worker's schema."""

from alembic import op

from autograph.migrations.standard_tables import cache_members, inbox, outbox

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMAS = ("auth", "diagram")


def upgrade() -> None:
    for schema in SCHEMAS:
        for statement in (*inbox(schema), *outbox(schema), *cache_members(schema)):
            op.execute(statement)


def downgrade() -> None:
    for schema in reversed(SCHEMAS):
        for table in ("cache_members", "outbox", "inbox"):
            op.execute(f"DROP TABLE {schema}.{table}")
