"""What a migration must not do while the previous release serves.

A sieve and no proof: it knows the statements that are known to hurt. The proof is ``test_upgrade.py``, which runs both.
"""

import re
from collections.abc import Iterator
from typing import Final

from autograph.statements import statements

_NEW_TABLE: Final = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(\S+)", re.IGNORECASE)
_ALTER_TABLE: Final = re.compile(r"^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\S+) (.*)$", re.IGNORECASE)
_INDEX: Final = re.compile(r"\bCREATE (UNIQUE )?INDEX (CONCURRENTLY )?.*?\bON (?:ONLY )?([\w.\"]+)", re.IGNORECASE)

# Of whole statements, and of one action of an ALTER TABLE, at their beginning.
_STATEMENTS: Final = {
    r"DROP (?!INDEX CONCURRENTLY )": "takes away what the previous release may use",
    r"(TRUNCATE|DELETE FROM) ": "removes rows that the previous release may read",
    r"REVOKE ": "takes rights away that the previous release may need",
    r"ALTER (?!INDEX |TABLE ).* (RENAME|SET SCHEMA) ": "renames what the previous release may name",
}
_ACTIONS: Final = {
    r"RENAME |SET SCHEMA ": "renames what the previous release may name",
    r"DROP ": "takes away what the previous release may use",
    r"ALTER (COLUMN )?\S+ (SET DATA )?TYPE ": "changes a type: the table is rewritten, and no statement waits less",
    r"ALTER (COLUMN )?\S+ SET NOT NULL": "refuses rows that the previous release may write",
    r"ALTER (COLUMN )?\S+ DROP DEFAULT": "refuses rows that the previous release may write",
    r"ADD (CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b": "refuses rows that the previous release may write",
    r"ADD .*\b(UNIQUE|PRIMARY KEY|REFERENCES|GENERATED|\w*SERIAL)\b": "adds a column that locks the table meanwhile",
    r"ADD (?!.*\bDEFAULT ).*\bNOT NULL": "adds a column that the previous release does not fill, and must",
}


def contractions(sql: str) -> list[str]:
    """A sentence for each statement of *sql* that isn't safe while the previous release serves."""
    found = statements(sql)
    new = {match[1] for statement in found if (match := _NEW_TABLE.match(_plain(statement)))}
    return [f"{_plain(statement)[:100]}: {why}" for statement in found for why in _why_not(statement, new)]


def _why_not(statement: str, new: set[str]) -> Iterator[str]:
    text = _plain(statement)
    if text.upper().startswith("DO "):
        yield from _in_a_block(text, new)
        return
    yield from (why for pattern, why in _STATEMENTS.items() if re.match(pattern, text, re.IGNORECASE))
    yield from _of_index(text, new)
    altered = _ALTER_TABLE.match(text)
    if altered and altered[1] not in new:
        for action in _actions(altered[2]):
            yield from (why for pattern, why in _ACTIONS.items() if re.match(pattern, action, re.IGNORECASE))


def _in_a_block(text: str, new: set[str]) -> Iterator[str]:
    yield from _of_index(text, new)
    if re.search(r"\b(ALTER|DROP|TRUNCATE|DELETE|REVOKE)\b", text, re.IGNORECASE):
        yield "does in a DO block what can only be judged as a statement"


def _of_index(text: str, new: set[str]) -> Iterator[str]:
    for unique, concurrently, table in _INDEX.findall(text):
        if table in new:
            continue
        if unique:
            yield "refuses rows that the previous release may write"
        if not concurrently:
            yield "keeps all others from writing while the index is built: CONCURRENTLY, in an autocommit_block()"


def _actions(text: str) -> list[str]:
    """Of an ALTER TABLE, at the commas that are in no parentheses and no string."""
    found, depth = [""], 0
    for part in re.findall(r"'(?:[^']|'')*'|.", text):
        depth += (part == "(") - (part == ")")
        if part == "," and not depth:
            found.append("")
        else:
            found[-1] += part
    return [action.strip() for action in found]


def _plain(statement: str) -> str:
    return " ".join(statement.split())
