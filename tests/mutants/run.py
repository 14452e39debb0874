"""A copy of the checkout, in which one mutant after another is tried."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compose.local.home import DEFAULT
from tests.mutants.mutant import ROOT, Mutant, Suite

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "pictures", DEFAULT)
LAST_LINES = 25


class Copy:
    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, suite: Suite) -> tuple[bool, str, float]:
        """Whether it passes, what it said, and its seconds."""
        begun = time.monotonic()
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self.root)}
        # A group of its own: the servers of a suite that is given up end with it.
        process = subprocess.Popen(
            [sys.executable, *suite.words], cwd=self.root, env=environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=suite.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            output, _ = process.communicate(timeout=60)
            output += f"\ngiven up after {suite.seconds:.0f} s"
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        return process.returncode == 0, output, time.monotonic() - begun

    def survives(self, mutant: Mutant) -> str:
        """What the suite said that should have noticed it; empty if it did, and for the reason that it should."""
        before = {edit.file: (self.root / edit.file).read_text(encoding="utf-8") for edit in mutant.edits}
        try:
            for edit in mutant.edits:
                edit.apply(self.root)
            passes, output, _ = self.run(mutant.suite)
        finally:
            for file, text in before.items():
                (self.root / file).write_text(text, encoding="utf-8")
        shows = (mutant.shows,) if isinstance(mutant.shows, str) else mutant.shows
        if passes or not any(word in output for word in shows):
            said = "passed" if passes else "said"
            return f"{mutant.suite.name} should have said {mutant.shows!r}, and {said}:\n{end_of(output)}"
        return ""


def end_of(output: str) -> str:
    return "\n".join(output.splitlines()[-LAST_LINES:])


@contextmanager
def copied() -> Iterator[Copy]:
    """Of the checkout as it stands, committed or not. The servers' programs are shared with it."""
    with tempfile.TemporaryDirectory(prefix="autograph-mutants-") as folder:
        root = Path(folder) / "checkout"
        shutil.copytree(ROOT, root, ignore=LEFT_OUT)
        programs = ROOT / DEFAULT / "programs"
        if programs.exists():
            (root / DEFAULT).mkdir()
            (root / DEFAULT / "programs").symlink_to(programs)
        # By the source's hash: one that changes twice in a second must not be taken for what was compiled before.
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", root], check=True
        )  # fmt: skip
        yield Copy(root)
