"""The folder that holds all that the local stack keeps: data, secrets, ports, logs, downloads, and what runs."""

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
from compose.local.programs import CannotProvide, Programs, locks
from compose.local.progress import Report, unheard

__all__ = ["CannotProvide", "Home", "Running", "State"]  # the first, since a home is what mostly raises it

DEFAULT = Path(".autograph")
REFUSED_BY_INITDB = '"$`\\'  # it asks a shell to run the programs beside it, and quotes nothing but blanks
LOWEST_PORT = 12_000  # above most servers' usual ports
CLIENTS_BEGIN_AT = 32_768  # Linux' default for net.ipv4.ip_local_port_range
HIGHEST_PORT = 65_536
MOST_PROCESSES = 64  # of one service


@dataclass(slots=True)
class Running:
    """A process of the stack, as ``autograph status`` shows it."""

    name: str
    pid: int
    started: int
    state: str = "starting"
    address: str = ""  # URL without secrets, or host and port
    metrics_url: str | None = None
    signal: int = 15
    kind: str = "server"
    leaves: list[str] = field(default_factory=list)  # files that it would leave behind outside this folder

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started)


@dataclass(slots=True)
class State:
    supervisor: Running | None = None
    processes: list[Running] = field(default_factory=list)
    boot: str = ""
    scalable: bool = False  # its supervisor follows ``scale.json`` when it gets SIGUSR1


_STATE: Final = TypeAdapter(State)
_PORTS: Final = TypeAdapter(dict[str, Annotated[int, Field(ge=1, lt=HIGHEST_PORT)]])
_COUNTS: Final = TypeAdapter(dict[str, Annotated[int, Field(ge=1, le=MOST_PROCESSES)]])
_SECRETS: Final = TypeAdapter(dict[str, Annotated[str, Field(min_length=1)]])
# What was made with a secret, and cannot be opened with another.
_MADE_WITH: Final = {"postgres": "postgres/PG_VERSION", "rabbitmq": "rabbitmq/mnesia"}
_PUT_BACK: Final = (
    "put the file back from a copy, or restore a backup into a new home (AUTOGRAPH_HOME=… autograph restore …)"
)


class Home:
    """One stack's folder. *programs* is where unpacked servers are, which several homes may share."""

    def __init__(self, folder: Path, *, programs: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.programs = (programs or self.folder / "programs").resolve()
        self._programs = Programs(self.programs)
        self._writing = threading.RLock()  # servers are set up in threads, and share these files
        self._ports: dict[str, int] = {}  # as they hold for this run
        self._claims: ExitStack | None = None  # of a supervisor, on its ports
        self.notices: list[str] = []  # sentences on what was found damaged, and what follows from it

    def attach(self) -> "Home":
        """For whoever asks about a stack that runs: its ports are as they were kept, though of course not free.

        Raises ``CannotProvide`` if they cannot be read.
        """
        try:
            self._ports = self._read("ports.json", _PORTS) or {}
        except files.Damaged as damage:
            raise CannotProvide(
                f"{self.folder / 'ports.json'} is damaged ({damage}), so that the servers' addresses are not known: "
                "stop the stack with `autograph down`, and `autograph up` writes it anew"
            ) from None
        return self

    def open(self) -> "Home":
        """Raises ``CannotProvide`` where the servers could not run."""
        for path, refused, setting in (
            (self.folder, "", "AUTOGRAPH_HOME"),
            (self.programs, REFUSED_BY_INITDB, "AUTOGRAPH_PROGRAMS"),
        ):
            bad = {character for character in str(path) if character in refused or category(character) in ("Cc", "Cs")}
            if bad:
                raise CannotProvide(
                    f"The servers cannot run in {str(path)!a}, which has {', '.join(sorted(map(ascii, bad)))} "
                    f"in its name: set {setting} to another folder"
                )
        with self._usable():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.folder / "logs").mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        return self

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Says in one sentence that the folder, or a file in it, cannot be used."""
        try:
            yield
        except OSError as error:
            raise CannotProvide(
                f"{self.folder} cannot be used ({error.strerror or error}: {error.filename or self.folder}): "
                "make it yours and writable, or set AUTOGRAPH_HOME to another folder"
            ) from None

    def place(self, *names: str) -> Path:
        """A folder of ours, made if it is not there."""
        place = self.folder.joinpath(*names)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def providing(self, name: str, report: Report = unheard) -> AbstractAsyncContextManager[None]:
        """Held while the program *name* is got: two stacks that share programs do not get it twice."""
        return self._programs.providing(name, report)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held by the one supervisor of this home. Raises ``CannotProvide`` if another one holds it."""
        with self._usable():
            lock = (self.folder / "lock").open("a", encoding="utf-8")
        with lock:
            if not locks(lock):
                raise CannotProvide(
                    f"AutoGraph already runs in {self.folder}: see `autograph status`, stop it with `autograph down`, "
                    "or set AUTOGRAPH_HOME to another folder"
                )
            lock.truncate(0)
            print(os.getpid(), file=lock, flush=True)
            with ExitStack() as claims:
                self._claims = claims
                try:
                    yield
                finally:
                    self._claims = None

    def is_locked(self) -> bool:
        try:
            with (self.folder / "lock").open(encoding="utf-8") as lock:
                return not locks(lock)
        except OSError:
            return False

    def secret(self, name: str) -> str:
        """Made once, kept for the life of the folder, readable by its owner only.

        Raises ``CannotProvide`` if it is lost and something was made with it: another would not open that.
        """
        with self._writing:
            known = self._secrets()
            if name not in known:
                made = self.folder / _MADE_WITH[name] if name in _MADE_WITH else None
                if made is not None and made.exists():
                    raise CannotProvide(f"{self.folder / 'secrets.json'} lacks what {made.parent} needs: {_PUT_BACK}")
                known[name] = secrets.token_hex(24)
                self._write("secrets.json", known)
            return known[name]

    def _secrets(self) -> dict[str, str]:
        try:
            return self._read("secrets.json", _SECRETS) or {}
        except files.Damaged as damage:
            raise CannotProvide(f"{self.folder / 'secrets.json'} is damaged ({damage}): {_PUT_BACK}") from None

    def keep_secret(self, name: str, value: str) -> None:
        """From now on; whatever was made with the one before cannot be read any more."""
        with self._writing:
            self._write("secrets.json", {**self._secrets(), name: value})

    def port(self, name: str, *, wanted: int | None = None) -> int:
        """*wanted*, or the port of last time, or any: whichever is free first."""
        with self._writing:
            if name in self._ports:
                return self._ports[name]
            before = self._ports_before()
            taken = {*self._ports.values(), *(before[other] for other in before if other != name)}
            candidates = (candidate for candidate in (wanted, before.get(name)) if candidate and candidate not in taken)
            port = next(filter(self._takes, candidates), None)
            while port is None:
                chosen = random.randrange(LOWEST_PORT, _first_port_of_clients())  # noqa: S311 - no secret
                port = chosen if chosen not in taken and self._takes(chosen) else None
            self._ports[name] = port
            self._write("ports.json", {**before, **self._ports})
            return port

    def _ports_before(self) -> dict[str, int]:
        """Of last time. Nothing is lost with them but that a stack is where it was."""
        try:
            return self._read("ports.json", _PORTS) or {}
        except files.Damaged as damage:
            self.notices.append(f"ports.json was damaged ({damage}): the servers get new ports")
            return {}

    def _takes(self, port: int) -> bool:
        """A supervisor also claims it: two that start at once must not choose the same before either's listens.

        The claim is a socket's abstract name: one in the machine (or the container), and gone with its process.
        """
        if not _is_free(port):
            return False
        if self._claims is not None:
            claim = socket.socket(socket.AF_UNIX)
            self._claims.callback(claim.close)
            try:
                claim.bind(f"\0autograph-port-{port}")
            except OSError:
                return False
        return True

    def ports(self, *names: str) -> list[int]:
        return [self.port(name) for name in names]

    def state(self) -> State:
        """What was last kept of this boot: a process of an earlier one is gone, whatever has its pid now.

        If that is lost, what is found among the processes that run.
        """
        try:
            known = self._read("state.json", _STATE)
        except files.Damaged as damage:
            self.notices.append(f"state.json was damaged ({damage}): the stack's processes were looked for instead")
            known = None
        if known is None:
            return self._found()
        return known if known.boot == _boot() else State()

    def _found(self) -> State:
        """By the mark that each process of a stack carries, which does not say how it is."""
        processes = [
            Running(mark.name, identity.pid, identity.started, state="unknown", signal=mark.signal, kind=mark.kind)
            for identity, mark in marked(self.folder)
        ]
        return State(self._holder(), sorted(processes, key=lambda process: process.name), _boot())

    def _holder(self) -> Running | None:
        """Of the lock."""
        with suppress(OSError, ValueError):
            if self.is_locked():
                pid = int((self.folder / "lock").read_text(encoding="ascii"))
                if identity := Identity.of(pid):
                    return Running("supervisor", pid, identity.started, state="running", kind="supervisor")
        return None

    def keep_state(self, supervisor: Running | None, processes: Sequence[Running], *, scalable: bool = False) -> None:
        """Raises ``OSError``."""
        files.write(self.folder / "state.json", asdict(State(supervisor, list(processes), _boot(), scalable)))

    def counts(self) -> dict[str, int]:
        """How many processes of a service are wanted, of those for which that was said."""
        try:
            return self._read("scale.json", _COUNTS) or {}
        except files.Damaged as damage:
            self.notices.append(f"scale.json was damaged ({damage}): each service gets one process")
            return {}

    def keep_counts(self, counts: Mapping[str, int]) -> None:
        self._write("scale.json", dict(counts))

    def _read(self, name: str, form: "TypeAdapter[files.T]") -> "files.T | None":
        with self._usable():
            return files.read(self.folder / name, form)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        with self._usable():
            files.write(self.folder / name, content)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _first_port_of_clients() -> int:
    """Below it no outgoing connection can take a port of ours while its server restarts."""
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except OSError:
        return CLIENTS_BEGIN_AT
    return lowest if lowest > 2 * LOWEST_PORT else HIGHEST_PORT


def _is_free(port: int) -> bool:
    """Whether nothing holds it, on whichever of this machine's addresses."""
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - held for a moment, never listened on
        with socket.socket() as probe:
            # As the servers do: a port whose last connections still linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
