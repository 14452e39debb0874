"""The index for sorting by folded titles. That on lower(title) is the previous release's, until nobody uses it."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS diagram.files_owner_sort_key")
        op.execute(
            "CREATE INDEX CONCURRENTLY files_owner_sort_key"
            ' ON diagram.files (owner_id, diagram.sort_key(title) COLLATE "C", id) WHERE deleted_at IS NULL'
        )


def downgrade() -> None:
    op.execute("DROP INDEX diagram.files_owner_sort_key")
