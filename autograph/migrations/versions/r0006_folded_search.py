"""The index for searching folded titles: trigrams, as r0002's on titles as they are."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS diagram.files_folded_trigrams")
        # Where the extension is, the server decides: r0002 takes it where it finds it.
        op.execute("""
            SELECT set_config('search_path', extnamespace::regnamespace::text, false)
            FROM pg_extension WHERE extname = 'pg_trgm'
        """)
        op.execute(
            "CREATE INDEX CONCURRENTLY files_folded_trigrams"
            " ON diagram.files USING gin (diagram.folded(title) gin_trgm_ops)"
        )
        op.execute("RESET search_path")


def downgrade() -> None:
    op.execute("DROP INDEX diagram.files_folded_trigrams")
