"""Whoever asks for more processes than PostgreSQL has connections for is told so."""

from pathlib import Path

import pytest

from autograph.scale import warn_of_too_few_connections
from compose.local.home import Home
from contracts.services import PROCESSES


@pytest.mark.parametrize("processes", [PROCESSES, 50])
async def test_too_few_connections_are_told(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    processes: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOGRAPH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOGRAPH_POSTGRES_URL", database_url)

    await warn_of_too_few_connections(Home(tmp_path / "home").open(), {"diagram": processes})

    said = capsys.readouterr().err
    is_short = processes > PROCESSES
    assert ("are needed when all pools are full" in said) is is_short
    assert ("raise its max_connections" in said) is is_short
