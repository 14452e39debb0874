"""A user without rights, on a machine where others hold the usual ports."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.system.client import somebody
from tests.system.stack import Stack, gone

NOBODY = 65534
OUR_USUAL_PORTS = (8080, 9080, 8085, 8082)
HOLD_POLL_SECONDS = 0.05


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Stack]:
    """As whoever runs the tests, or for root as nobody.

    In a user namespace root's files are nobody's own, so that a checkout which is root's alone can be run, but there
    are no capabilities and no root, which is what makes a plain user.
    """
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        prefix = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
    stack = Stack(tmp_path, prefix=prefix)
    try:
        yield stack
    finally:
        stack.clean_up()


@pytest.fixture
def usual_ports_held() -> Iterator[None]:
    """By another stack, or by this test as soon as that stack has ended."""
    over = threading.Event()
    tried = threading.Event()
    holding = threading.Thread(target=_hold, args=(over, tried))
    holding.start()
    tried.wait()
    try:
        yield
    finally:
        over.set()
        holding.join()


def _hold(over: threading.Event, tried: threading.Event) -> None:
    missing = set(OUR_USUAL_PORTS)
    with ExitStack() as held:
        while not over.is_set():
            for port in sorted(missing):
                with suppress(OSError), ExitStack() as sockets:
                    # Reserved as stacks do it, so that none loses a port that it is about to listen on.
                    sockets.enter_context(socket.socket(socket.AF_UNIX)).bind(f"\0autograph-port-{port}")
                    listening = sockets.enter_context(socket.socket())
                    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listening.bind(("127.0.0.1", port))
                    listening.listen()
                    held.enter_context(sockets.pop_all())
                    missing.remove(port)
            tried.set()
            over.wait(HOLD_POLL_SECONDS)


@pytest.mark.usefixtures("usual_ports_held")
@pytest.mark.slow("starts and stops a stack")
async def test_a_plain_user_without_a_home_gets_the_whole_system_on_ports_that_are_free(plain: Stack) -> None:
    plain.up(HOME="/nonexistent", XDG_CACHE_HOME="", TERM="dumb")
    await plain.ready()
    assert os.geteuid() != 0 or _capabilities(plain.process) == 0
    rows = await plain.status()
    assert {row["state"] for row in rows.values()} == {"running"}
    ports = {urlsplit(row[name]).port for row in rows.values() for name in ("url", "metrics_url") if row[name]}
    assert ports.isdisjoint(OUR_USUAL_PORTS)
    assert "Port 8080 is in use by another program, so the gateway listens at" in plain.output
    async with somebody(rows["gateway"]["url"]) as person:
        place = (await person.create("Mine")).headers["Location"]
        assert (await person.ask("GET", place)).body["title"] == "Mine"

    identities = await plain.identities()
    assert await plain.end(signal.SIGINT) == 0
    await gone(identities)


@pytest.mark.parametrize("made", ["made", ""])
async def test_a_home_that_cannot_be_written_is_said_in_one_sentence_by_each_command(plain: Stack, made: str) -> None:
    place = plain.home.parent / "another's"
    (place / "home" if made else place).mkdir(parents=True)
    if made:
        (place / "home").chmod(0o555)
    place.chmod(0o555)

    for command, status in (("up", 1), ("down", int(bool(made))), ("status", 3)):
        told = await plain.run(command, AUTOGRAPH_HOME=str(place / "home"))
        assert told.returncode == status, command
        assert "Traceback" not in told.stderr
        if status == 1:
            assert "cannot be used (Permission denied" in told.stderr
            assert "set AUTOGRAPH_HOME to another folder" in told.stderr
            assert told.stderr.count("\n") == 1


def _capabilities(process: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return int(effective.split()[1], 16)
