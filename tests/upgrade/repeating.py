"""What stands in the way of a revision that must be done again from its beginning, since it gave up half-way.

A revision is one transaction, of which then nothing is left; but an index that is built CONCURRENTLY is in none. A
build that gives up (``lock_timeout``, a process that dies) leaves its index by name, INVALID: every change of a row
writes to it, and no query uses it. What was committed before it stays too.
"""

import re
from collections.abc import Iterator
from typing import Final

from autograph.statements import statements

_BUILD: Final = re.compile(
    r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?P<if_not_exists>IF NOT EXISTS )?(?P<name>\S+)", re.IGNORECASE
)
_DROP: Final = re.compile(r"DROP INDEX CONCURRENTLY IF EXISTS (?:\S+\.)?(?P<name>\S+)$", re.IGNORECASE)
_REPEATABLE: Final = re.compile(
    r"(BEGIN|COMMIT|SELECT set_config|RESET)\b|.*\b(IF EXISTS|IF NOT EXISTS|OR REPLACE)\b", re.IGNORECASE
)


def unrepeatable(sql: str) -> list[str]:
    """A sentence for each statement of *sql* that keeps the whole from being done again."""
    found = [" ".join(statement.split()) for statement in statements(sql)]
    return [f"{statement[:100]}: {why}" for statement, why in _why_not(found)]


def _why_not(found: list[str]) -> Iterator[tuple[str, str]]:
    dropped: set[str] = set()
    before: list[str] = []
    for statement in found:
        if build := _BUILD.match(statement):
            yield from ((committed, "is committed when the index gives up, and fails again: a revision of its own")
                        for committed in before)  # fmt: skip
            before.clear()
            if build["if_not_exists"]:
                yield statement, "passes over the INVALID index that a build leaves when it gives up"
            elif build["name"] not in dropped:
                yield statement, f"DROP INDEX CONCURRENTLY IF EXISTS …{build['name']} first, of a build that gave up"
        elif drop := _DROP.match(statement):
            dropped.add(drop["name"])
        elif not _REPEATABLE.match(statement):
            before.append(statement)
