"""What a run showed, as a table."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario: what was done to the system, and what became of what it had promised."""

    fault: str
    fired: dict[str, int]
    requests: int
    accepted: int
    lost: int
    doubled: int
    regressions: int
    recovery_seconds: float | None
    worst_open_seconds: float
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        fired = ", ".join(f"{times} {name}" for name, times in self.fired.items())
        recovery = "" if self.recovery_seconds is None else f"{self.recovery_seconds:.1f} s"
        cells = (self.fault, fired, self.requests, self.accepted, self.lost, self.doubled, self.regressions, recovery,
                 f"{self.worst_open_seconds:.1f} s", "; ".join(self.notes))  # fmt: skip
        return f"| {' | '.join(map(str, cells))} |"


HEAD = """\
| fault | fired | requests | acknowledged | lost | doubled | regressions | time to recover | worst open request | |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def write(rows: list[Row], file: Path, *, title: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# {title}\n\n{HEAD}" + "\n".join(row.markdown() for row in rows) + "\n", encoding="utf-8")
