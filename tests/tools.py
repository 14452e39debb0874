"""The programs that check manifests, each from a package held to its hash, in `.venv-tools`: `make test` makes it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = ROOT / ".venv-tools" / "bin"


def tool(name: str) -> str:
    """The path of *name*. Fails the test where it is missing: nothing is passed over."""
    program = BIN / name
    assert program.exists(), f"{program} is missing: make .venv-tools/.tools"
    return str(program)


def run(*command: str, folder: Path = ROOT, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """What *command* said; its exit status is for the test to judge. It gets *text* as its standard input, or none."""
    return subprocess.run(
        command, cwd=folder, input=text or "", capture_output=True, text=True, check=False, timeout=300
    )
