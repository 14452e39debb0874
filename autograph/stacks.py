"""Records this user's running local stacks, so that commands find them from any folder."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from compose.local import files
from compose.local.home import Home


@dataclass(frozen=True, slots=True)
class RunningStack:
    home: Path
    folder: Path  # where `autograph up` was typed: the `.env` there is the stack's


_FORM: Final = TypeAdapter(RunningStack)


def record_folder() -> Path:
    """In XDG_STATE_HOME."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path("~/.local/state").expanduser()) / "autograph" / "stacks"


@contextmanager
def recorded(home: Path, folder: Path) -> Iterator[None]:
    """Records the stack while the block runs. Does nothing for a user without a home folder."""
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    with suppress(OSError, RuntimeError):
        place = record_folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {name: str(path) for name, path in asdict(RunningStack(home, folder)).items()}
        files.write(place / f"{name}.json", content)
    try:
        yield
    finally:
        with suppress(OSError, RuntimeError):
            (record_folder() / f"{name}.json").unlink(missing_ok=True)


def running_stacks() -> list[RunningStack]:
    """Sorted by home. Removes records that a killed `autograph up` left behind."""
    found = []
    with suppress(OSError, RuntimeError):
        for path in sorted(record_folder().glob("*.json")):
            with suppress(OSError, files.FileDamaged):
                stack = files.read(path, _FORM)
                if stack is not None and Home(stack.home).is_locked():
                    found.append(stack)
                else:
                    path.unlink()
    return sorted(found, key=lambda stack: stack.home)
