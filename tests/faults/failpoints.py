"""The test's hand on the failpoints of a running stack: arms them, disarms them, and counts what fired."""

from collections import Counter
from pathlib import Path

from chassis.failpoints import parse

POINTS = (
    "before_transaction",
    "in_transaction",
    "after_commit",
    "after_invalidation",
    "after_publish",
    "after_reply",
    "before_ack",
)


class Failpoints:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arm(self, *rules: str) -> None:
        """From now on, in all processes; what fired before is forgotten."""
        parse("\n".join(rules))
        (self.folder / "fired").unlink(missing_ok=True)
        written = self.folder / "armed.new"
        written.write_text("\n".join(rules), encoding="utf-8")
        written.replace(self.folder / "armed")

    def disarm(self) -> None:
        (self.folder / "armed").unlink(missing_ok=True)

    def fired(self) -> Counter[str]:
        """How often each point did, also in processes that died of it."""
        try:
            lines = (self.folder / "fired").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return Counter()
        return Counter(line.split("@")[0].split(" ")[0] for line in lines)
