"""Inbox, outbox and cache members: what the chassis keeps in every worker's schema."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMAS = ("auth", "diagram")


def upgrade() -> None:
    for schema in SCHEMAS:
        # Rows go after 7 days, a seventh of the table every day: vacuum well before the default 20 %.
        op.execute(f"""
            CREATE TABLE {schema}.inbox (
                consumer        text NOT NULL,
                actor           text NOT NULL,
                id              uuid NOT NULL,
                type            text NOT NULL,
                fingerprint     text,
                status          text NOT NULL CHECK (status IN ('succeeded', 'refused', 'failed')),
                outcome         jsonb NOT NULL,
                invalidates     text[] NOT NULL DEFAULT '{{}}',
                correlation_id  text,
                handled_at      timestamptz NOT NULL DEFAULT now(),
                PRIMARY KEY (consumer, actor, id)
            ) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1)
        """)
        op.execute(f"CREATE INDEX inbox_handled_at ON {schema}.inbox (handled_at)")
        # A row lives for milliseconds, so the table is mostly dead rows: vacuum by count, at full speed. Room on the
        # page keeps a lease (an update without an index) beside its row.
        op.execute(f"""
            CREATE TABLE {schema}.outbox (
                id            uuid PRIMARY KEY,
                routing_key   text NOT NULL,
                envelope      jsonb NOT NULL,
                invalidates   text[] NOT NULL DEFAULT '{{}}',
                created_at    timestamptz NOT NULL DEFAULT now(),
                leased_until  timestamptz,
                attempts      integer NOT NULL DEFAULT 0 CHECK (attempts >= 0)
            ) WITH (
                fillfactor = 70,
                autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
                autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000,
                autovacuum_vacuum_cost_delay = 0,
                toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 2000,
                toast.autovacuum_vacuum_cost_delay = 0
            )
        """)
        op.execute(f"CREATE INDEX outbox_created_at ON {schema}.outbox (created_at)")
        op.execute(f"""
            CREATE TABLE {schema}.cache_members (
                member     uuid PRIMARY KEY,
                joined_at  timestamptz NOT NULL DEFAULT now()
            )
        """)


def downgrade() -> None:
    for schema in reversed(SCHEMAS):
        for table in ("cache_members", "outbox", "inbox"):
            op.execute(f"DROP TABLE {schema}.{table}")
