"""Connections go back to the pool without a reset (chassis.database), so no service may leave anything in a session."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("chassis", "gateway", "workers")

# SQL that outlives its transaction, in capitals as all our SQL is.
LEAVES_STATE = re.compile(
    r"""["'\s](SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)[a-z_.]+\s*(=|TO\b)   # not UPDATE … SET x = …
        |SET\s+(SESSION|ROLE)\b|LISTEN\s|WITH\s+HOLD\b|CREATE\s+(TEMP|TEMPORARY)\b
        |pg_(try_)?advisory_lock\w*\(|set_config\([^)]*false\)|PREPARE\s+\w)""",
    re.VERBOSE,
)
PART_OF_A_STATEMENT = re.compile(r"\b(UPDATE|ALTER)\b[^;]*$", re.DOTALL)


def state_left_by(source: str) -> list[str]:
    found = (match for match in LEAVES_STATE.finditer(source))
    return [
        match.group().strip()
        for match in found
        if not (match.group(1).startswith("SET") and PART_OF_A_STATEMENT.search(source[: match.start()][-2000:]))
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_leaves_state_in_a_database_session(service: str) -> None:
    left = {
        str(path.relative_to(ROOT)): state
        for path in sorted((ROOT / service).rglob("*.py"))
        if (state := state_left_by(path.read_text(encoding="utf-8")))
    }

    assert left == {}


@pytest.mark.parametrize(
    "sql",
    [
        '"SET statement_timeout = 5"',
        '"SET SESSION CHARACTERISTICS"',
        '"LISTEN changes"',
        '"SELECT pg_advisory_lock(1)"',
        '"SELECT pg_try_advisory_lock(1)"',
        "\"SELECT set_config('a.b', 'c', false)\"",
        '"CREATE TEMP TABLE x (y int)"',
    ],
)
def test_state_that_is_left_is_found(sql: str) -> None:
    assert state_left_by(f"await connection.execute({sql})")


@pytest.mark.parametrize(
    "sql",
    [
        '"SET LOCAL statement_timeout = 5"',
        '"UPDATE files SET title = $1"',
        '"INSERT INTO inbox ... ON CONFLICT (id) DO UPDATE SET status = $1"',
        '"SELECT pg_advisory_xact_lock(1)"',
    ],
)
def test_what_ends_with_the_transaction_is_let_through(sql: str) -> None:
    assert not state_left_by(f"await connection.execute({sql})")
