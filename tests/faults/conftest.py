"""One stack for all scenarios, which break it and must leave it whole; and the report of what they showed."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.report import Row, write
from tests.faults.stack import FaultStack, fault_stack


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultStack]:
    async with fault_stack(tmp_path_factory.mktemp("faults")) as stack:
        yield stack


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Row]]:
    """What the scenarios showed: written where ``AUTOGRAPH_FAULTS_REPORT`` says, or beside the run's own data."""
    rows: list[Row] = []
    yield rows
    named = os.environ.get("AUTOGRAPH_FAULTS_REPORT")
    file = Path(named) if named else tmp_path_factory.getbasetemp() / "faults.md"
    write(rows, file, title="Results of the fault tests")
