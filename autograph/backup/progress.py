"""Progress bars on a terminal; silent elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from autograph.backup.manifest import Advance


class Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def bar(self, description: str, total_bytes: int | None = None) -> Advance:
        """Without a total, only the count is shown."""
        task = self._progress.add_task(description, total=total_bytes)

        def advance(count: int) -> None:
            self._progress.advance(task, count)

        return advance


@contextmanager
def bars(console: Console) -> Iterator[Bars]:
    columns = (TextColumn("{task.description:<12}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as progress:
        yield Bars(progress)
