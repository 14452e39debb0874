"""The tables that the chassis needs in every worker's schema, as SQL.

Revisions 0003 and 0007 made these tables for the first two workers. For a worker that has none yet, ``autograph
migrate`` makes them once all revisions are applied, so that a new worker needs no revision for them. Whoever changes a
table here also writes a revision for the schemas that have it: with ``ALTER TABLE IF EXISTS``, since on a new database
those of later workers are made after it.
"""


def standard_tables(schema: str) -> list[str]:
    return [*inbox(schema), *outbox(schema), *cache_members(schema), *jobs(schema)]


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


def jobs(schema: str) -> list[str]:
    # A row is updated several times and then deleted: vacuum by count, as the outbox.
    return [
        f"""
        CREATE TABLE {schema}.jobs (
            id             uuid PRIMARY KEY,
            name           text NOT NULL CHECK (name <> ''),
            arguments      jsonb NOT NULL DEFAULT '{{}}',
            envelope       jsonb,
            state          text NOT NULL DEFAULT 'queued'
                           CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
            due_at         timestamptz NOT NULL DEFAULT now(),
            every_seconds  double precision CHECK (every_seconds > 0),
            slot_at        timestamptz,
            attempt        integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
            failures       integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
            snoozes        integer NOT NULL DEFAULT 0 CHECK (snoozes >= 0),
            error          text,
            lease_token    uuid,
            lease_until    timestamptz,
            created_at     timestamptz NOT NULL DEFAULT now(),
            started_at     timestamptz,
            ended_at       timestamptz,
            CONSTRAINT jobs_running_is_leased CHECK (
                (state = 'running') = (lease_token IS NOT NULL) AND (state = 'running') = (lease_until IS NOT NULL)
            ),
            CONSTRAINT jobs_schedule_has_a_slot CHECK ((every_seconds IS NULL) = (slot_at IS NULL))
        ) WITH (
            autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
            autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000
        )
    """,
        f"COMMENT ON COLUMN {schema}.jobs.every_seconds IS 'of a schedule; null: it runs once'",
        f"COMMENT ON COLUMN {schema}.jobs.slot_at IS 'a time from which the slots of a schedule are counted'",
        f"COMMENT ON COLUMN {schema}.jobs.failures IS 'attempts that failed since the last that did not'",
        f"""
            CREATE INDEX jobs_due ON {schema}.jobs (name, coalesce(lease_until, due_at))
            WHERE state IN ('queued', 'running')
        """,
        f"CREATE UNIQUE INDEX jobs_schedule ON {schema}.jobs (name) WHERE every_seconds IS NOT NULL",
        f"CREATE INDEX jobs_ended_at ON {schema}.jobs (ended_at) WHERE state IN ('succeeded', 'failed', 'cancelled')",
    ]
