"""A worker that does not exist, as its author writes it: three edits, and nothing else by hand."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

from tests.servers import REPOSITORY

CONTRACT: Final = '''"""Everything that can be said to the stamps service."""

from typing import ClassVar
from uuid import UUID

from contracts.message import Command, Query, Reply


class Stamps(Reply):
    given: int
    announced: int  # diagrams of which it has heard


class GiveStamp(Command[Stamps]):
    """Slow, so that it has a queue of its own."""

    wire_name: ClassVar[str] = "autograph.stamps.give_stamp.v1"
    bulkhead: ClassVar[str | None] = "press"

    diagram_id: UUID


class CountStamps(Query[Stamps]):
    wire_name: ClassVar[str] = "autograph.stamps.count_stamps.v1"


MESSAGES = (GiveStamp, CountStamps)
'''
ENTRY: Final = """\
    Service(
        name="stamps",
        side_port=8099,
        needs={Engine.POSTGRES, Engine.S3},
        messages=stamps.MESSAGES,
        hears=(diagram.diagrams.DiagramCreated,),
        event_bulkheads={diagram.diagrams.DiagramCreated: "press"},
        pool_max=12,
        own_secret=True,
    ),
"""
FOLDER: Final = {
    "__init__.py": '"""Stamps."""\n',
    "settings.py": '''"""What a stamps worker is told from outside."""

from chassis.settings import Key, ObjectStoreSettings, PoolMax, Port
from chassis.worker import WorkerSettings
from contracts.services import entry


class StampsSettings(WorkerSettings, ObjectStoreSettings):
    side_port: Port = entry("stamps").side_port
    postgres_pool_max: PoolMax = entry("stamps").pool_max
    stamps_secret: Key
    """Signs stamps."""
    ink: int = 3
    """How much ink there is."""
''',
    "handlers.py": '''"""What a stamps worker does."""

from dataclasses import dataclass

from chassis.bus.handlers import Handlers
from chassis.database import Database
from chassis.unit_of_work import Ledger
from contracts.diagram.diagrams import DiagramCreated
from contracts.envelope import Envelope
from contracts.stamps import CountStamps, GiveStamp, Stamps


@dataclass(frozen=True, slots=True)
class Tools:
    ledger: Ledger
    database: Database


handlers: Handlers[Tools] = Handlers()


@handlers.answers(GiveStamp)
async def give_stamp(_: GiveStamp, envelope: Envelope, tools: Tools) -> Stamps:
    async with tools.ledger.unit_of_work(envelope) as work:
        return work.reply(Stamps(given=1, announced=0))


@handlers.answers(CountStamps)
async def count_stamps(_: CountStamps, _envelope: Envelope, tools: Tools) -> Stamps:
    counted = "SELECT count(*) FROM inbox WHERE type = $1"
    async with tools.database.connection() as connection:
        return Stamps(
            given=await connection.fetchval(counted, GiveStamp.wire_name),
            announced=await connection.fetchval(counted, DiagramCreated.wire_name),
        )


@handlers.hears(DiagramCreated)
async def diagram_created(_: DiagramCreated, envelope: Envelope, tools: Tools) -> None:
    async with tools.ledger.unit_of_work(envelope):
        pass
''',
    "__main__.py": '''"""The stamps worker, put together."""

from chassis.lifecycle import Service, run
from chassis.metrics import RequestMetrics
from chassis.worker import consume, open_worker
from contracts.catalogue import DELEGATIONS
from contracts.services import entry
from workers.stamps.handlers import Tools, handlers
from workers.stamps.settings import StampsSettings


async def compose(service: Service[StampsSettings]) -> None:
    requests = RequestMetrics(service.registry, "stamps_service")
    own = entry("stamps")
    context = await open_worker(service, requests, revision=own.revision)
    tools = Tools(context.ledger, context.database)
    await consume(
        service,
        context,
        handlers,
        tools,
        hears=own.hears,
        event_bulkheads=own.event_bulkheads,
        delegations=DELEGATIONS,
    )


if __name__ == "__main__":
    run("stamps", StampsSettings, compose)
''',
}


class Checkout:
    """A copy of this one, with the made-up worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
            cwd=REPOSITORY, check=True, capture_output=True, text=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if not name.startswith(("bench/", "tests/")) and (REPOSITORY / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(REPOSITORY / name, folder / name)

    def add_worker(self) -> None:
        services = self.folder / "contracts" / "services.py"
        text = services.read_text("utf-8")
        [imported] = re.findall(r"^from contracts import (.+)$", text, re.MULTILINE)
        end = "    ),\n)\nBUCKETS"
        for before, after in (
            (f"import {imported}\n", f"import {', '.join(sorted([*imported.split(', '), 'stamps']))}\n"),
            (end, end.replace(")\nBUCKETS", f"{ENTRY})\nBUCKETS")),
        ):
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        services.write_text(text, "utf-8")
        (self.folder / "contracts" / "stamps.py").write_text(CONTRACT, "utf-8")
        own = self.folder / "workers" / "stamps"
        own.mkdir()
        for name, content in FOLDER.items():
            (own / name).write_text(content, "utf-8")

    def contract(self) -> ModuleType:
        """Its messages, for whoever speaks to it from here."""
        spec = importlib.util.spec_from_file_location("stamps_contract", self.folder / "contracts" / "stamps.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # pydantic looks for the class' own
        spec.loader.exec_module(module)
        return module

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=300)

    def autograph(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "autograph", *arguments)

    def text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")
