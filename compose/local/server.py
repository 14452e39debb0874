"""The specification of a process for the supervisor."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path | None = None  # its working directory
    ready: Callable[[], Awaitable[None]] = field(default=_nothing)  # raises while it is not ready
    address: str = ""
    metrics_url: str | None = None
    before_stop: Callable[[], Awaitable[None]] = field(default=_nothing)  # raises nothing
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 8.0
    ready_seconds: float = 60.0
    kind: str = "server"
    leaves: tuple[Path, ...] = ()  # files outside its folder that it may leave behind
