"""Jobs and schedules: what the chassis runs for a worker outside of messages."""

from alembic import op

from autograph.migrations.standard_tables import jobs

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMAS = ("auth", "diagram")


def upgrade() -> None:
    for schema in SCHEMAS:
        for statement in jobs(schema):
            op.execute(statement)


def downgrade() -> None:
    for schema in reversed(SCHEMAS):
        op.execute(f"DROP TABLE {schema}.jobs")
