"""A bug that is put in on purpose: which text becomes which, what that breaks, and who must notice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


class DoesNotApply(Exception):
    """The text that a mutant changes is not there, or not there once."""


@dataclass(frozen=True, slots=True)
class Edit:
    file: str  # from the root
    old: str  # stands in it once
    new: str

    def apply(self, root: Path) -> None:
        """Raises ``DoesNotApply``."""
        path = root / self.file
        path.write_text(self.applied(root), encoding="utf-8")

    def applied(self, root: Path) -> str:
        """The file's text after it. Raises ``DoesNotApply``."""
        try:
            text = (root / self.file).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DoesNotApply(f"there is no {self.file}") from None
        if (found := text.count(self.old)) != 1:
            raise DoesNotApply(f"{self.file} has this text {found} times:\n{self.old}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Suite:
    """A command that passes, and that fails as soon as a mutant breaks what it watches over."""

    name: str
    words: tuple[str, ...]  # after the interpreter
    seconds: float  # that it may take, on a busy machine

    def only(self, *words: str) -> "Suite":
        return Suite(f"{self.name} {' '.join(words)}", (*self.words, *words), self.seconds)


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str  # what is wrong with it
    suite: Suite
    shows: str | tuple[str, ...]  # what the suite must say, or one of it: a promise, or a test's name
    edits: Sequence[Edit]
    is_quick: bool = False  # `make test` runs it too
