"""The tables that the chassis needs in every worker's schema, as SQL.

Revision 0003 made these tables for the first two workers. For a worker that has none yet, ``autograph migrate`` makes
them once all revisions are applied, so that a new worker needs no revision for them. Whoever changes a table here also
writes a revision for the schemas that have it: with ``ALTER TABLE IF EXISTS``, since on a new database those of later
workers are made after it.
"""


def standard_tables(schema: str) -> list[str]:
    return [*inbox(schema), *outbox(schema), *cache_members(schema)]


def inbox(schema: str) -> list[str]:
    # Rows go after 7 days, a seventh of the table every day: vacuum well before the default 20 %.
    return [
        f"""
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
        """,
        f"CREATE INDEX inbox_handled_at ON {schema}.inbox (handled_at)",
    ]


def outbox(schema: str) -> list[str]:
    # A row lives for milliseconds, so the table is mostly dead rows: vacuum by count, at full speed. Room on the
    # page keeps a lease (an update without an index) beside its row.
    return [
        f"""
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
        """,
        f"CREATE INDEX outbox_created_at ON {schema}.outbox (created_at)",
    ]


def cache_members(schema: str) -> list[str]:
    return [
        f"""
            CREATE TABLE {schema}.cache_members (
                member     uuid PRIMARY KEY,
                joined_at  timestamptz NOT NULL DEFAULT now()
            )
        """
    ]
