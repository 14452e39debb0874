"""The local stack's folder: data, secrets, ports, logs, programs, and the state of its processes."""

import os
import random
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final
from unicodedata import category

from pydantic import Field, TypeAdapter

from compose.local import files
from compose.local.process import Identity, marked
from compose.local.programs import OperatorError, Programs, locks
from compose.local.progress import Report, unheard

__all__ = ["Home", "OperatorError", "RunningProcess", "StackState"]  # OperatorError: a home raises it most

DEFAULT = Path(".autograph")
REFUSED_BY_INITDB = '"$`\\'  # initdb runs programs through a shell, and quotes only spaces
LOWEST_PORT = 12_000  # above most servers' default ports
EPHEMERAL_PORTS_FROM = 32_768  # Linux' default for net.ipv4.ip_local_port_range
HIGHEST_PORT = 65_536
MAX_PROCESSES = 64  # of one service


@dataclass(slots=True)
class RunningProcess:
    """A process of the stack, as ``autograph status`` shows it."""

    name: str
    pid: int
    started: int
    state: str = "starting"
    address: str = ""  # URL without secrets, or host and port
    metrics_url: str | None = None
    signal: int = 15
    kind: str = "server"
    leaves: list[str] = field(default_factory=list)  # files outside this folder that it may leave behind

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started)


@dataclass(slots=True)
class StackState:
    supervisor: RunningProcess | None = None
    processes: list[RunningProcess] = field(default_factory=list)
    boot: str = ""
    scalable: bool = False  # its supervisor applies ``scale.json`` on SIGUSR1


_STATE: Final = TypeAdapter(StackState)
_PORTS: Final = TypeAdapter(dict[str, Annotated[int, Field(ge=1, lt=HIGHEST_PORT)]])
_COUNTS: Final = TypeAdapter(dict[str, Annotated[int, Field(ge=1, le=MAX_PROCESSES)]])
_SECRETS: Final = TypeAdapter(dict[str, Annotated[str, Field(min_length=1)]])
# Data that can only be opened with the secret it was created with.
_ENCRYPTED_DATA: Final = {"postgres": "postgres/PG_VERSION", "rabbitmq": "rabbitmq/mnesia"}
_RESTORE_HINT: Final = (
    "put the file back from a copy, or restore a backup into a new home (AUTOGRAPH_HOME=… autograph restore …)"
)


class Home:
    """One stack's folder. *programs*: the folder of unpacked servers, which several homes may share."""

    def __init__(self, folder: Path, *, programs: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.programs = (programs or self.folder / "programs").resolve()
        self._programs = Programs(self.programs)
        self._writing = threading.RLock()  # servers are set up in threads that share these files
        self._ports: dict[str, int] = {}  # of this run
        self._reservations: ExitStack | None = None  # a supervisor's reservations of its ports
        self.notices: list[str] = []  # messages about damaged files and the consequences

    def attach(self) -> "Home":
        """For commands on a running stack: takes its ports as recorded, without checking that they are free.

        Raises ``OperatorError`` if they cannot be read.
        """
        try:
            self._ports = self._read("ports.json", _PORTS) or {}
        except files.FileDamaged as damage:
            raise OperatorError(
                f"{self.folder / 'ports.json'} is damaged ({damage}), so that the servers' addresses are not known: "
                "stop the stack with `autograph down`, and `autograph up` writes it anew"
            ) from None
        return self

    def open(self) -> "Home":
        """Creates the folder. Raises ``OperatorError`` if the servers could not run in it."""
        for path, refused, setting in (
            (self.folder, "", "AUTOGRAPH_HOME"),
            (self.programs, REFUSED_BY_INITDB, "AUTOGRAPH_PROGRAMS"),
        ):
            bad = {character for character in str(path) if character in refused or category(character) in ("Cc", "Cs")}
            if bad:
                raise OperatorError(
                    f"The servers cannot run in {str(path)!a}, which has {', '.join(sorted(map(ascii, bad)))} "
                    f"in its name: set {setting} to another folder"
                )
        with self._explained_os_errors():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.folder / "logs").mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        return self

    @contextmanager
    def _explained_os_errors(self) -> Iterator[None]:
        """Turns ``OSError`` into an ``OperatorError`` about the folder or file."""
        try:
            yield
        except OSError as error:
            raise OperatorError(
                f"{self.folder} cannot be used ({error.strerror or error}: {error.filename or self.folder}): "
                "make it yours and writable, or set AUTOGRAPH_HOME to another folder"
            ) from None

    def subfolder(self, *names: str) -> Path:
        """A folder in the home, created if it is missing."""
        path = self.folder.joinpath(*names)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def providing(self, name: str, report: Report = unheard) -> AbstractAsyncContextManager[None]:
        """Held while the program *name* is installed, so that two stacks that share programs do not do it twice."""
        return self._programs.providing(name, report)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The lock of this home's supervisor. Raises ``OperatorError`` if another supervisor holds it."""
        with self._explained_os_errors():
            lock = (self.folder / "lock").open("a", encoding="utf-8")
        with lock:
            if not locks(lock):
                raise OperatorError(
                    f"AutoGraph already runs in {self.folder}: see `autograph status`, stop it with `autograph down`, "
                    "or set AUTOGRAPH_HOME to another folder"
                )
            lock.truncate(0)
            print(os.getpid(), file=lock, flush=True)
            with ExitStack() as reservations:
                self._reservations = reservations
                try:
                    yield
                finally:
                    self._reservations = None

    def is_locked(self) -> bool:
        try:
            with (self.folder / "lock").open(encoding="utf-8") as lock:
                return not locks(lock)
        except OSError:
            return False

    def secret(self, name: str) -> str:
        """Generated once and stored in the home, readable by its owner only.

        Raises ``OperatorError`` if it is lost but data exists that needs it.
        """
        with self._writing:
            known = self._secrets()
            if name not in known:
                made = self.folder / _ENCRYPTED_DATA[name] if name in _ENCRYPTED_DATA else None
                if made is not None and made.exists():
                    raise OperatorError(
                        f"{self.folder / 'secrets.json'} lacks what {made.parent} needs: {_RESTORE_HINT}"
                    )
                known[name] = secrets.token_hex(24)
                self._write("secrets.json", known)
            return known[name]

    def _secrets(self) -> dict[str, str]:
        try:
            return self._read("secrets.json", _SECRETS) or {}
        except files.FileDamaged as damage:
            raise OperatorError(f"{self.folder / 'secrets.json'} is damaged ({damage}): {_RESTORE_HINT}") from None

    def save_secret(self, name: str, value: str) -> None:
        """Replaces a secret. Data that was created with the previous one cannot be read any more."""
        with self._writing:
            self._write("secrets.json", {**self._secrets(), name: value})

    def port(self, name: str, *, wanted: int | None = None) -> int:
        """The first free one of: *wanted*, the port of the last run, any."""
        with self._writing:
            if name in self._ports:
                return self._ports[name]
            before = self._ports_before()
            taken = {*self._ports.values(), *(before[other] for other in before if other != name)}
            candidates = (candidate for candidate in (wanted, before.get(name)) if candidate and candidate not in taken)
            port = next(filter(self._reserve_port, candidates), None)
            while port is None:
                chosen = random.randrange(LOWEST_PORT, _first_ephemeral_port())  # noqa: S311 - no secret
                port = chosen if chosen not in taken and self._reserve_port(chosen) else None
            self._ports[name] = port
            self._write("ports.json", {**before, **self._ports})
            return port

    def _ports_before(self) -> dict[str, int]:
        """The ports of the last run. If they are lost, the servers only get new ones."""
        try:
            return self._read("ports.json", _PORTS) or {}
        except files.FileDamaged as damage:
            self.notices.append(f"ports.json was damaged ({damage}): the servers get new ports")
            return {}

    def _reserve_port(self, port: int) -> bool:
        """Whether the port is free. A supervisor also reserves it until its server listens, against other supervisors.

        The reservation is an abstract socket name: unique on the machine (or in the container), gone with its process.
        """
        if not _is_free(port):
            return False
        if self._reservations is not None:
            reservation = socket.socket(socket.AF_UNIX)
            self._reservations.callback(reservation.close)
            try:
                reservation.bind(f"\0autograph-port-{port}")
            except OSError:
                return False
        return True

    def ports(self, *names: str) -> list[int]:
        return [self.port(name) for name in names]

    def state(self) -> StackState:
        """The recorded state if it is of this boot: processes of an earlier boot are gone, whatever has their pids now.

        If the record is lost, the state is built from the running processes.
        """
        try:
            known = self._read("state.json", _STATE)
        except files.FileDamaged as damage:
            self.notices.append(f"state.json was damaged ({damage}): the stack's processes were looked for instead")
            known = None
        if known is None:
            return self._state_from_processes()
        return known if known.boot == _boot() else StackState()

    def _state_from_processes(self) -> StackState:
        """From the marks in the processes' environments; whether they are ready is unknown."""
        processes = [
            RunningProcess(
                mark.name, identity.pid, identity.started, state="unknown", signal=mark.signal, kind=mark.kind
            )
            for identity, mark in marked(self.folder)
        ]
        return StackState(self._supervisor_from_lock(), sorted(processes, key=lambda process: process.name), _boot())

    def _supervisor_from_lock(self) -> RunningProcess | None:
        """The process that holds the lock."""
        with suppress(OSError, ValueError):
            if self.is_locked():
                pid = int((self.folder / "lock").read_text(encoding="ascii"))
                if identity := Identity.of(pid):
                    return RunningProcess("supervisor", pid, identity.started, state="running", kind="supervisor")
        return None

    def save_state(
        self, supervisor: RunningProcess | None, processes: Sequence[RunningProcess], *, scalable: bool = False
    ) -> None:
        """Raises ``OSError``."""
        files.write(self.folder / "state.json", asdict(StackState(supervisor, list(processes), _boot(), scalable)))

    def counts(self) -> dict[str, int]:
        """The wanted number of processes, of the services for which it was set."""
        try:
            return self._read("scale.json", _COUNTS) or {}
        except files.FileDamaged as damage:
            self.notices.append(f"scale.json was damaged ({damage}): each service gets one process")
            return {}

    def save_counts(self, counts: Mapping[str, int]) -> None:
        self._write("scale.json", dict(counts))

    def _read(self, name: str, form: "TypeAdapter[files.T]") -> "files.T | None":
        with self._explained_os_errors():
            return files.read(self.folder / name, form)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        with self._explained_os_errors():
            files.write(self.folder / name, content)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _first_ephemeral_port() -> int:
    """Outgoing connections use ports from here on: below it, none can take a server's port while it restarts."""
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except OSError:
        return EPHEMERAL_PORTS_FROM
    return lowest if lowest > 2 * LOWEST_PORT else HIGHEST_PORT


def _is_free(port: int) -> bool:
    """Whether the port is free on all of this machine's IPv4 addresses."""
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - bound for a moment, never listened on
        with socket.socket() as probe:
            # As the servers do: a port with connections in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
