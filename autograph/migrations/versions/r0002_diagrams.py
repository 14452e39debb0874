"""Diagrams, their versions, folders, sharing, comments, git connections and usage."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("folders", "files", "versions", "shares", "comments", "mentions", "git_connections", "usage_metrics")


def upgrade() -> None:
    op.execute("CREATE SCHEMA diagram")
    # Trigrams for search. A server that has the extension already keeps it where it is.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA diagram")
    _folders()
    _files()
    _versions()
    _shares()
    _comments()
    _git_connections()
    _usage_metrics()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE diagram.{table}")
    op.execute("""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_extension
                       WHERE extname = 'pg_trgm' AND extnamespace = 'diagram'::regnamespace) THEN
                DROP EXTENSION pg_trgm;
            END IF;
        END $$
    """)
    op.execute("DROP SCHEMA diagram")


def _folders() -> None:
    op.execute("""
        CREATE TABLE diagram.folders (
            id          uuid PRIMARY KEY,
            owner_id    uuid NOT NULL REFERENCES auth.users (id),
            team_id     uuid,
            parent_id   uuid REFERENCES diagram.folders (id),
            name        text NOT NULL CHECK (name <> ''),
            color       text,
            icon        text,
            revision    bigint NOT NULL DEFAULT 1 CHECK (revision >= 1),
            sequence    bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
            created_at  timestamptz NOT NULL DEFAULT now(),
            updated_at  timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT folders_not_in_itself CHECK (parent_id <> id)
        )
    """)
    op.execute("CREATE INDEX folders_owner ON diagram.folders (owner_id, parent_id, lower(name), id)")
    op.execute("CREATE INDEX folders_parent ON diagram.folders (parent_id) WHERE parent_id IS NOT NULL")
    op.execute("CREATE INDEX folders_team ON diagram.folders (team_id) WHERE team_id IS NOT NULL")


def _files() -> None:
    """Teams and other people are no foreign keys: deleting one must not change diagrams behind the caches."""
    op.execute("""
        CREATE TABLE diagram.files (
            id                  uuid PRIMARY KEY,
            owner_id            uuid NOT NULL REFERENCES auth.users (id),
            team_id             uuid,
            folder_id           uuid REFERENCES diagram.folders (id),
            title               text NOT NULL CHECK (title <> ''),
            type                text NOT NULL CHECK (type IN ('canvas', 'note', 'mixed')),
            tags                text[] NOT NULL DEFAULT '{}',
            canvas_data         jsonb,
            note_content        text,
            version             integer NOT NULL DEFAULT 1 CHECK (version >= 1),
            revision            bigint NOT NULL DEFAULT 1 CHECK (revision >= 1),
            sequence            bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
            size_bytes          bigint NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),
            starred             boolean NOT NULL DEFAULT false,
            view_count          bigint NOT NULL DEFAULT 0 CHECK (view_count >= 0),
            comment_count       integer NOT NULL DEFAULT 0 CHECK (comment_count >= 0),
            export_count        integer NOT NULL DEFAULT 0 CHECK (export_count >= 0),
            collaborator_count  integer NOT NULL DEFAULT 0 CHECK (collaborator_count >= 0),
            thumbnail_key       text,
            created_at          timestamptz NOT NULL DEFAULT now(),
            updated_at          timestamptz NOT NULL DEFAULT now(),
            updated_by          uuid NOT NULL,
            last_viewed_at      timestamptz,
            deleted_at          timestamptz
        ) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)
    """)
    # Views are counted in batches: an index on last_viewed_at would make each of those updates touch every index.
    # Sorting one owner's diagrams by it, or by size, starts from one of these.
    live = "WHERE deleted_at IS NULL"
    op.execute(f"CREATE INDEX files_owner_updated ON diagram.files (owner_id, updated_at DESC, id DESC) {live}")
    op.execute(f"CREATE INDEX files_owner_created ON diagram.files (owner_id, created_at DESC, id DESC) {live}")
    op.execute(f"CREATE INDEX files_owner_title ON diagram.files (owner_id, lower(title), id) {live}")
    op.execute(
        "CREATE INDEX files_owner_starred ON diagram.files (owner_id, updated_at DESC, id DESC)"
        " WHERE starred AND deleted_at IS NULL"
    )
    op.execute(
        "CREATE INDEX files_owner_trash ON diagram.files (owner_id, deleted_at DESC, id DESC)"
        " WHERE deleted_at IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX files_folder ON diagram.files (folder_id, updated_at DESC, id DESC) WHERE folder_id IS NOT NULL"
    )
    op.execute("CREATE INDEX files_team ON diagram.files (team_id, updated_at DESC, id DESC) WHERE team_id IS NOT NULL")
    op.execute("""
        DO $$ BEGIN
            EXECUTE format(
                'CREATE INDEX files_title_trigrams ON diagram.files USING gin (title %I.gin_trgm_ops)',
                (SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
                 WHERE extname = 'pg_trgm'));
        END $$
    """)


def _versions() -> None:
    op.execute("""
        CREATE TABLE diagram.versions (
            file_id         uuid NOT NULL REFERENCES diagram.files (id) ON DELETE CASCADE,
            number          integer NOT NULL CHECK (number >= 1),
            canvas_data     jsonb,
            note_content    text,
            label           text,
            description     text,
            size_bytes      bigint NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),
            content_sha256  text CHECK (content_sha256 ~ '^[0-9a-f]{64}$'),
            object_key      text,
            created_at      timestamptz NOT NULL DEFAULT now(),
            created_by      uuid NOT NULL,
            PRIMARY KEY (file_id, number),
            CONSTRAINT versions_content_is_in_one_place
                CHECK (object_key IS NULL OR (canvas_data IS NULL AND note_content IS NULL)),
            CONSTRAINT versions_archived_content_can_be_verified
                CHECK (object_key IS NULL OR content_sha256 IS NOT NULL)
        )
    """)
    # What the archiver looks for: content that is still in its row, oldest first.
    op.execute("CREATE INDEX versions_unarchived ON diagram.versions (created_at) WHERE object_key IS NULL")


def _shares() -> None:
    """A link or a person, to a diagram or a folder. Folder permissions pass to what is inside."""
    op.execute("""
        CREATE TABLE diagram.shares (
            id                uuid PRIMARY KEY,
            kind              text NOT NULL CHECK (kind IN ('link', 'user')),
            file_id           uuid REFERENCES diagram.files (id) ON DELETE CASCADE,
            folder_id         uuid REFERENCES diagram.folders (id) ON DELETE CASCADE,
            permission        text NOT NULL CHECK (permission IN ('view', 'edit')),
            user_id           uuid,
            token_hash        bytea UNIQUE CHECK (octet_length(token_hash) = 32),
            password_hash     text,
            version           integer CHECK (version >= 1),
            expires_at        timestamptz,
            view_count        bigint NOT NULL DEFAULT 0 CHECK (view_count >= 0),
            last_accessed_at  timestamptz,
            created_at        timestamptz NOT NULL DEFAULT now(),
            created_by        uuid NOT NULL,
            updated_at        timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT shares_one_thing CHECK (num_nonnulls(file_id, folder_id) = 1),
            CONSTRAINT shares_link_or_user CHECK (
                CASE kind WHEN 'link' THEN token_hash IS NOT NULL AND user_id IS NULL
                          ELSE user_id IS NOT NULL AND num_nonnulls(token_hash, password_hash, version) = 0 END)
        ) WITH (fillfactor = 85)
    """)
    op.execute("CREATE UNIQUE INDEX shares_file_user ON diagram.shares (file_id, user_id) WHERE user_id IS NOT NULL")
    op.execute(
        "CREATE UNIQUE INDEX shares_folder_user ON diagram.shares (folder_id, user_id) WHERE user_id IS NOT NULL"
    )
    op.execute("CREATE INDEX shares_file ON diagram.shares (file_id, created_at DESC, id DESC)")
    op.execute("CREATE INDEX shares_folder ON diagram.shares (folder_id) WHERE folder_id IS NOT NULL")
    op.execute(
        "CREATE INDEX shares_user ON diagram.shares (user_id, created_at DESC, id DESC) WHERE user_id IS NOT NULL"
    )


def _comments() -> None:
    op.execute("""
        CREATE TABLE diagram.comments (
            id           uuid PRIMARY KEY,
            file_id      uuid NOT NULL REFERENCES diagram.files (id) ON DELETE CASCADE,
            parent_id    uuid,
            author_id    uuid NOT NULL,
            body         text NOT NULL CHECK (body <> ''),
            anchor       jsonb,
            reactions    jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(reactions) = 'object'),
            resolved_at  timestamptz,
            resolved_by  uuid,
            created_at   timestamptz NOT NULL DEFAULT now(),
            updated_at   timestamptz NOT NULL DEFAULT now(),
            deleted_at   timestamptz,
            UNIQUE (file_id, id),
            CONSTRAINT comments_reply_in_the_same_file
                FOREIGN KEY (file_id, parent_id) REFERENCES diagram.comments (file_id, id) ON DELETE CASCADE
        )
    """)
    op.execute("CREATE INDEX comments_file ON diagram.comments (file_id, created_at, id)")
    op.execute("CREATE INDEX comments_parent ON diagram.comments (file_id, parent_id) WHERE parent_id IS NOT NULL")
    op.execute("""
        CREATE TABLE diagram.mentions (
            id          uuid PRIMARY KEY,
            comment_id  uuid NOT NULL REFERENCES diagram.comments (id) ON DELETE CASCADE,
            file_id     uuid NOT NULL REFERENCES diagram.files (id) ON DELETE CASCADE,
            user_id     uuid NOT NULL,
            created_by  uuid NOT NULL,
            created_at  timestamptz NOT NULL DEFAULT now(),
            read_at     timestamptz,
            UNIQUE (comment_id, user_id)
        )
    """)
    op.execute("CREATE INDEX mentions_user ON diagram.mentions (user_id, created_at DESC, id DESC)")
    op.execute("CREATE INDEX mentions_unread ON diagram.mentions (user_id) WHERE read_at IS NULL")
    op.execute("CREATE INDEX mentions_file ON diagram.mentions (file_id)")


def _git_connections() -> None:
    op.execute("""
        CREATE TABLE diagram.git_connections (
            id                uuid PRIMARY KEY,
            owner_id          uuid NOT NULL REFERENCES auth.users (id),
            file_id           uuid REFERENCES diagram.files (id) ON DELETE CASCADE,
            folder_id         uuid REFERENCES diagram.folders (id) ON DELETE CASCADE,
            provider          text NOT NULL CHECK (provider <> ''),
            repository        text NOT NULL CHECK (repository <> ''),
            branch            text NOT NULL CHECK (branch <> ''),
            path              text NOT NULL DEFAULT '',
            credentials       bytea,
            automatic         boolean NOT NULL DEFAULT false,
            last_commit       text,
            last_synced_at    timestamptz,
            last_error        text,
            revision          bigint NOT NULL DEFAULT 1 CHECK (revision >= 1),
            created_at        timestamptz NOT NULL DEFAULT now(),
            updated_at        timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT git_connections_one_thing CHECK (num_nonnulls(file_id, folder_id) = 1)
        )
    """)
    op.execute("COMMENT ON COLUMN diagram.git_connections.credentials IS 'encrypted; never in clear'")
    op.execute("CREATE INDEX git_connections_owner ON diagram.git_connections (owner_id, created_at DESC, id DESC)")
    op.execute("CREATE INDEX git_connections_file ON diagram.git_connections (file_id) WHERE file_id IS NOT NULL")
    op.execute("CREATE INDEX git_connections_folder ON diagram.git_connections (folder_id) WHERE folder_id IS NOT NULL")


def _usage_metrics() -> None:
    op.execute("""
        CREATE TABLE diagram.usage_metrics (
            user_id  uuid NOT NULL,
            day      date NOT NULL,
            metric   text NOT NULL CHECK (metric <> ''),
            value    bigint NOT NULL DEFAULT 0,
            PRIMARY KEY (user_id, day, metric)
        ) WITH (fillfactor = 70)
    """)
