"""What a next release may add, so that every run goes between two releases that differ: appended to this one's code."""

from typing import Final

TOPOLOGY: Final = "autograph/topology.py"

_REVISION: Final = '''"""{title}"""

from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in {up!r}:
        op.execute(statement)
    with op.get_context().autocommit_block():
        for statement in {alone!r}:
            op.execute(statement)


def downgrade() -> None:
    for statement in {down!r}:
        op.execute(statement)
'''

_ONE_MORE_QUEUE: Final = """

from dataclasses import replace as _replace

NEEDED = _replace(NEEDED, queues={**NEEDED.queues, "diagram.commands.shades": "quorum"})
"""

_ONE_QUEUE_LESS: Final = """

_apply_topology = apply_topology


async def apply_topology(amqp_url, management_url, installation_secret):
    restored = await _apply_topology(amqp_url, management_url, installation_secret)
    async with open_broker(amqp_url, management_url) as broker:
        await broker.delete("queues", broker.vhost, "diagram.commands")
    return restored
"""


def one_more_revision(
    newest: str, title: str, *, up: tuple[str, ...], down: tuple[str, ...], alone: tuple[str, ...] = ()
) -> dict[str, str]:
    """Path → text, of a revision after *newest*. *alone*: what cannot stand in a transaction."""
    revision = f"{int(newest) + 1:04}"
    text = _REVISION.format(title=title, revision=revision, before=newest, up=up, down=down, alone=alone)
    return {f"autograph/migrations/versions/r{revision}_of_the_next_release.py": text}


def expanded(newest: str) -> dict[str, str]:
    """Columns, with and without a default, a table, an index, a queue: all that a release may bring at once."""
    revision = one_more_revision(
        newest,
        "Shades.",
        up=(
            "ALTER TABLE diagram.files ADD COLUMN shade text",
            "ALTER TABLE auth.users ADD COLUMN shade text NOT NULL DEFAULT 'none'",
            "CREATE TABLE diagram.shades (name text PRIMARY KEY)",
        ),
        alone=("CREATE INDEX CONCURRENTLY files_shade ON diagram.files (owner_id, shade)",),
        down=(
            "DROP TABLE diagram.shades",
            "ALTER TABLE auth.users DROP COLUMN shade",
            "ALTER TABLE diagram.files DROP COLUMN shade",
        ),
    )
    return revision | {TOPOLOGY: _ONE_MORE_QUEUE}


def without_a_column(newest: str) -> dict[str, str]:
    """What the previous release reads is gone."""
    return one_more_revision(
        newest,
        "No stars.",
        up=("ALTER TABLE diagram.files DROP COLUMN starred",),
        down=("ALTER TABLE diagram.files ADD COLUMN starred boolean NOT NULL DEFAULT false",),
    )


def without_a_queue() -> dict[str, str]:
    """The one that the previous release sends its commands to: as if it had another name now."""
    return {TOPOLOGY: _ONE_QUEUE_LESS}
