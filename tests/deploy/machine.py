"""What an engine of our own changes outside its folder, and how that is changed back: packet filter, bridges, folders.

A rule, a chain or a bridge that is not Docker's is never touched: others may add theirs meanwhile.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from fcntl import ioctl
from pathlib import Path

from compose.local.home import OperatorError

PREFIX = "autograph-deploy-"  # of a run's temporary folder
KEPT = "machine.json"
BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")
ITS_RULE = re.compile(rf"\bDOCKER|\b({BRIDGE.pattern})\b")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
# It makes these where they are not, although it is told to keep everything elsewhere.
FOLDERS = tuple(map(Path, ("/etc/docker", "/opt/containerd", "/run/docker")))
CGROUPS = Path("/sys/fs/cgroup")
POLL_SECONDS = 1.0
SIOCSIFFLAGS, SIOCBRDELBR = 0x8914, 0x89A1  # linux/sockios.h


class LeftBehind(Exception):
    """Something of the engine is still there after the run; the text says what."""


@dataclass(frozen=True, slots=True)
class Before:
    rules: str  # as `iptables-save` writes them
    forwarding: str
    new_folders: Sequence[str]  # that were not there


@dataclass(slots=True)
class Table:
    policies: dict[str, str] = field(default_factory=dict)  # of each chain: "-" for one that is not built in
    rules: list[str] = field(default_factory=list)


def parse(saved: str) -> dict[str, Table]:
    """What `iptables-save` wrote, without counters."""
    tables: dict[str, Table] = {}
    for line in saved.splitlines():
        if line.startswith("*"):
            tables[line[1:]] = table = Table()
        elif line.startswith(":"):
            chain, policy, _ = line[1:].split(maxsplit=2)
            table.policies[chain] = policy
        elif line.startswith("-A"):
            table.rules.append(line)
    return tables


def undoing(before: Mapping[str, Table], after: Mapping[str, Table]) -> str:
    """For `iptables-restore --noflush`: takes away what is Docker's and was not there, and sets policies back."""
    lines = []
    for name, now in after.items():
        then = before.get(name, Table())
        there = list(then.rules)
        steps = []
        for rule in now.rules:
            if rule in there:
                there.remove(rule)
            elif ITS_RULE.search(rule):
                steps.append(f"-D{rule[2:]}")
        new = [chain for chain in now.policies if chain not in then.policies and chain.startswith("DOCKER")]
        steps += [f"-X {chain}" for chain in new]
        # A table that was not there has its chains as they are in a new one.
        policies = {chain: then.policies.get(chain, "ACCEPT") for chain in now.policies if now.policies[chain] != "-"}
        set_back = [f":{chain} {policy} [0:0]" for chain, policy in policies.items() if policy != now.policies[chain]]
        if steps or set_back:
            lines += [f"*{name}", *set_back, *steps, "COMMIT"]
    return "".join(f"{line}\n" for line in lines)


@asynccontextmanager
async def alone() -> AsyncIterator[None]:
    """One run at a time: two engines would take each other's rules away. The name of a socket goes with its process."""
    with socket.socket(socket.AF_UNIX) as claim:
        said = False
        while True:
            try:
                claim.bind("\0autograph-deploy-engine")
                break
            except OSError:
                if not said:
                    print("Waiting for another run's engine to end", file=sys.stderr, flush=True)
                said = True
                await asyncio.sleep(POLL_SECONDS)
        yield


@contextmanager
def changed_back(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Raises ``OperatorError`` where another engine is, and ``LeftBehind`` if something could not be changed back.

    What a run that was killed outright has left, the next one changes back: how it was is in *folder* meanwhile.
    """
    for kept in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{KEPT}"):
        _change_back(environment, kept.parent, Before(**json.loads(kept.read_text(encoding="utf-8"))))
        shutil.rmtree(kept.parent, ignore_errors=True)
    if bridges := sorted(_bridges()):
        raise OperatorError(
            f"Another Docker engine, which does not answer, has a network here ({bridges[0]}), and one more would take "
            "its rules away: start it, or name it in DOCKER_HOST; if it is gone for good, `ip link delete` the network"
        )
    try:
        rules = _run(environment, "iptables-save")
    except subprocess.CalledProcessError as error:
        raise OperatorError(
            f"The packet filter may not be changed here ({error.stderr.strip()}), which a Docker engine of our "
            "own needs: start one that this can use"
        ) from None
    new_folders = [str(place) for place in FOLDERS if not place.exists()]
    before = Before(rules, FORWARDING.read_text(encoding="ascii"), new_folders)
    (folder / KEPT).write_text(json.dumps(asdict(before)), encoding="utf-8")
    try:
        yield
    finally:
        _change_back(environment, folder, before)
        _check_nothing_left(environment, before, folder)


def _change_back(environment: Mapping[str, str], folder: Path, before: Before) -> None:
    for bridge in _bridges():
        _delete_bridge(bridge)
    if undo := undoing(parse(before.rules), parse(_run(environment, "iptables-save"))):
        _run(environment, "iptables-restore", "--noflush", text=undo)
    FORWARDING.write_text(before.forwarding, encoding="ascii")
    for place in before.new_folders:
        shutil.rmtree(place, ignore_errors=True)
    for group in _groups(folder):
        _remove_group(group)


def _groups(folder: Path) -> list[Path]:
    return [*CGROUPS.glob(f"*/{folder.name}"), *CGROUPS.glob(folder.name)]


def _check_nothing_left(environment: Mapping[str, str], before: Before, folder: Path) -> None:
    left = [f"the bridge {bridge}" for bridge in _bridges()]
    if rules := undoing(parse(before.rules), parse(_run(environment, "iptables-save"))):
        left.append(f"rules ({rules})")
    if FORWARDING.read_text(encoding="ascii") != before.forwarding:
        left.append(str(FORWARDING))
    left += [f"the mount {line}" for line in _lines(Path("/proc/self/mounts")) if folder.name in line]
    left += [f"the process {pid}: {command}" for pid, command in _processes() if folder.name in command]
    left += map(str, _groups(folder))
    if left:
        raise LeftBehind(f"The engine left behind: {'; '.join(left)}")


def _bridges() -> set[str]:
    return {link.name for link in Path("/sys/class/net").iterdir() if BRIDGE.fullmatch(link.name)}


def _delete_bridge(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", name.encode(), 0))  # down
        ioctl(any_socket, SIOCBRDELBR, name.encode() + b"\0")


def _remove_group(group: Path) -> None:
    for place, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):
            Path(place).rmdir()


def _lines(file: Path) -> Sequence[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines()


def _processes() -> Iterator[tuple[int, str]]:
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            with suppress(OSError):
                yield (
                    int(process.name),
                    (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"),
                )


def _run(environment: Mapping[str, str], *command: str, text: str = "") -> str:
    return subprocess.run(
        command, env=environment, input=text, check=True, capture_output=True, text=True, timeout=60
    ).stdout
