"""Versions that are open to further changes, that were restored, and the producers that made some."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # All are null in versions of the previous release, which are never open.
    op.execute("""
        ALTER TABLE diagram.versions
            ADD COLUMN open_until timestamptz,
            ADD COLUMN updated_at timestamptz,
            ADD COLUMN restored_from integer,
            ADD COLUMN created_by_producer text
    """)


def downgrade() -> None:
    op.execute("""
        ALTER TABLE diagram.versions
            DROP COLUMN open_until,
            DROP COLUMN updated_at,
            DROP COLUMN restored_from,
            DROP COLUMN created_by_producer
    """)
