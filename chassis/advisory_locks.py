"""Keys of PostgreSQL's advisory locks, which all programs of the database share: those that programs agree on."""

from typing import Final

# Of migrations: an arbitrary constant.
MIGRATION: Final = str(int.from_bytes(b"autograp", "big"))


def of_table(table: str) -> str:
    """The key of *table*, as SQL. A name without a schema is looked up in the session's search path."""
    return f"'{table}'::regclass::oid::bigint"
