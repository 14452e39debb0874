"""Keys of the vault: secrets of users at rest."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
contracts = "0.1"  # no release depends on it that the check refuses this purpose: it is widened, and takes nothing away


def upgrade() -> None:
    # The previous release cannot read such a key. None is made before a service has something to keep in its vault,
    # which no service has in this release.
    _allow("'signing', 'sealing', 'vault'")


def downgrade() -> None:
    op.execute("DELETE FROM auth.keys WHERE purpose = 'vault'")
    _allow("'signing', 'sealing'")


def _allow(purposes: str) -> None:
    op.execute(f"""
        ALTER TABLE auth.keys
            DROP CONSTRAINT keys_purpose_check,
            ADD CONSTRAINT keys_purpose_check CHECK (purpose IN ({purposes})) NOT VALID
    """)
    op.execute("ALTER TABLE auth.keys VALIDATE CONSTRAINT keys_purpose_check")
