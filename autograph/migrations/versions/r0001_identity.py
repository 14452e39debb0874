"""People, programs, teams, sessions, keys and the audit log."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("users", "teams", "team_members", "sessions", "api_keys", "keys", "audit_log")


def upgrade() -> None:
    op.execute("CREATE SCHEMA auth")
    _people()
    _credentials()
    _audit_log()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE auth.{table}")
    op.execute("DROP FUNCTION auth.audit_log_broken_at()")
    op.execute("DROP FUNCTION auth.chain_audit_log()")
    op.execute("DROP FUNCTION auth.refuse_change()")
    op.execute("DROP SCHEMA auth")


def _people() -> None:
    # fillfactor: a sign-in updates columns without an index, which stays on the page if there is room (HOT).
    op.execute("""
        CREATE TABLE auth.users (
            id              uuid PRIMARY KEY,
            email           text NOT NULL CHECK (email <> ''),
            email_key       text NOT NULL UNIQUE CHECK (email_key <> ''),
            name            text,
            password_hash   text,
            roles           text[] NOT NULL DEFAULT '{user}',
            kind            text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service')),
            email_verified  boolean NOT NULL DEFAULT false,
            locked_at       timestamptz,
            mfa_secret      bytea,
            mfa_enabled     boolean NOT NULL DEFAULT false,
            mfa_last_step   bigint,
            sequence        bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
            created_at      timestamptz NOT NULL DEFAULT now(),
            updated_at      timestamptz NOT NULL DEFAULT now(),
            last_login_at   timestamptz,
            CONSTRAINT users_service_has_no_password CHECK (kind = 'person' OR password_hash IS NULL),
            CONSTRAINT users_mfa_has_a_secret CHECK (NOT mfa_enabled OR mfa_secret IS NOT NULL)
        ) WITH (fillfactor = 85)
    """)
    op.execute("CREATE INDEX users_created_at ON auth.users (created_at DESC, id DESC)")
    op.execute("""
        CREATE TABLE auth.teams (
            id          uuid PRIMARY KEY,
            owner_id    uuid NOT NULL REFERENCES auth.users (id),
            name        text NOT NULL CHECK (name <> ''),
            slug        text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
            settings    jsonb NOT NULL DEFAULT '{}',
            revision    bigint NOT NULL DEFAULT 1 CHECK (revision >= 1),
            sequence    bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
            created_at  timestamptz NOT NULL DEFAULT now(),
            updated_at  timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX teams_owner ON auth.teams (owner_id)")
    op.execute("""
        CREATE TABLE auth.team_members (
            team_id     uuid NOT NULL REFERENCES auth.teams (id) ON DELETE CASCADE,
            user_id     uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
            role        text NOT NULL CHECK (role IN ('admin', 'editor', 'viewer')),
            invited_by  uuid,
            created_at  timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (team_id, user_id)
        )
    """)
    op.execute("CREATE INDEX team_members_user ON auth.team_members (user_id)")


def _credentials() -> None:
    op.execute("""
        CREATE TABLE auth.sessions (
            id               uuid PRIMARY KEY,
            user_id          uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
            created_at       timestamptz NOT NULL DEFAULT now(),
            expires_at       timestamptz NOT NULL,
            last_seen_at     timestamptz NOT NULL DEFAULT now(),
            remember         boolean NOT NULL DEFAULT false,
            generation       integer NOT NULL DEFAULT 0 CHECK (generation >= 0),
            used_generation  integer NOT NULL DEFAULT -1,
            device           text,
            address          text,
            revoked_at       timestamptz,
            revoked_reason   text,
            CONSTRAINT sessions_only_issued_tokens_are_used CHECK (used_generation BETWEEN -1 AND generation)
        ) WITH (fillfactor = 80)
    """)
    op.execute("COMMENT ON COLUMN auth.sessions.generation IS 'the number of the newest refresh token'")
    op.execute("COMMENT ON COLUMN auth.sessions.used_generation IS 'the highest number that was presented'")
    op.execute("CREATE INDEX sessions_live ON auth.sessions (user_id, created_at) WHERE revoked_at IS NULL")
    op.execute("CREATE INDEX sessions_user ON auth.sessions (user_id)")
    op.execute("CREATE INDEX sessions_expires_at ON auth.sessions (expires_at)")
    op.execute("""
        CREATE TABLE auth.api_keys (
            id            uuid PRIMARY KEY,
            user_id       uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
            name          text NOT NULL CHECK (name <> ''),
            secret_hash   bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
            scopes        text[] NOT NULL CHECK (scopes <@ '{read,write,admin}' AND cardinality(scopes) > 0),
            created_at    timestamptz NOT NULL DEFAULT now(),
            expires_at    timestamptz,
            last_used_at  timestamptz,
            revoked_at    timestamptz
        ) WITH (fillfactor = 85)
    """)
    op.execute("CREATE INDEX api_keys_user ON auth.api_keys (user_id, created_at DESC, id DESC)")
    op.execute("""
        CREATE TABLE auth.keys (
            id           text PRIMARY KEY,
            purpose      text NOT NULL CHECK (purpose IN ('signing', 'sealing')),
            public_key   bytea NOT NULL,
            private_key  bytea NOT NULL,
            created_at   timestamptz NOT NULL DEFAULT now(),
            active_from  timestamptz NOT NULL DEFAULT now(),
            retired_at   timestamptz
        )
    """)
    op.execute("COMMENT ON COLUMN auth.keys.private_key IS 'encrypted by AUTOGRAPH_AUTH_SECRET'")


def _audit_log() -> None:
    """Append-only, each row bound to the one before, so that a row changed behind our back breaks the chain.

    The actor is no foreign key: what somebody did outlives their account.
    """
    op.execute("""
        CREATE TABLE auth.audit_log (
            position        bigint PRIMARY KEY,
            id              uuid NOT NULL UNIQUE,
            occurred_at     timestamptz NOT NULL DEFAULT now(),
            actor_kind      text NOT NULL,
            actor_id        uuid,
            action          text NOT NULL CHECK (action <> ''),
            subject         text,
            outcome         text NOT NULL CHECK (outcome IN ('succeeded', 'refused', 'failed')),
            address         text,
            device          text,
            correlation_id  text,
            detail          jsonb NOT NULL DEFAULT '{}',
            previous_hash   bytea NOT NULL,
            hash            bytea NOT NULL CHECK (octet_length(hash) = 32)
        )
    """)
    op.execute("CREATE INDEX audit_log_occurred_at ON auth.audit_log (occurred_at DESC, position DESC)")
    op.execute("CREATE INDEX audit_log_actor ON auth.audit_log (actor_id, position DESC)")
    op.execute("CREATE INDEX audit_log_action ON auth.audit_log (action, position DESC)")
    # Times as epochs: a timestamp's text depends on the session's time zone.
    digest = """sha256(convert_to(jsonb_build_array(
            encode({row}.previous_hash, 'hex'), {row}.position, {row}.id, extract(epoch FROM {row}.occurred_at),
            {row}.actor_kind, {row}.actor_id, {row}.action, {row}.subject, {row}.outcome, {row}.address, {row}.device,
            {row}.correlation_id, {row}.detail)::text, 'UTF8'))"""
    # The lock makes writers of the log take turns until they commit. It is keyed by the table's own identity.
    # A transaction above READ COMMITTED does not see the last row and fails on the position: it may try again.
    op.execute(f"""
        CREATE FUNCTION auth.chain_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE last record;
        BEGIN
            PERFORM pg_advisory_xact_lock('auth.audit_log'::regclass::oid::bigint);
            SELECT position, hash INTO last FROM auth.audit_log ORDER BY position DESC LIMIT 1;
            NEW.position := coalesce(last.position, 0) + 1;
            NEW.previous_hash := coalesce(last.hash, '');
            NEW.hash := {digest.format(row="NEW")};
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION auth.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    op.execute(f"""
        CREATE FUNCTION auth.audit_log_broken_at() RETURNS bigint LANGUAGE sql STABLE AS $$
            SELECT min(position) FROM (
                SELECT position, row_number() OVER rows AS expected_position, hash, previous_hash,
                       coalesce(lag(hash) OVER rows, '') AS expected_previous_hash,
                       {digest.format(row="entry")} AS expected_hash
                FROM auth.audit_log AS entry WINDOW rows AS (ORDER BY position)
            ) AS checked
            WHERE position <> expected_position
               OR previous_hash <> expected_previous_hash
               OR hash <> expected_hash
        $$
    """)
    op.execute("COMMENT ON FUNCTION auth.audit_log_broken_at() IS 'the first position that was tampered with, or null'")
    op.execute("""
        CREATE TRIGGER chain BEFORE INSERT ON auth.audit_log
        FOR EACH ROW EXECUTE FUNCTION auth.chain_audit_log()
    """)
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON auth.audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change()
    """)
