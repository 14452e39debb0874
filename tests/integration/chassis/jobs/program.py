"""A process that runs jobs until it is ended: `program.py POSTGRES_URL`, with AUTOGRAPH_FAILPOINTS naming a folder."""

import asyncio
import sys

from chassis import logging
from chassis.database import open_database
from tests.integration.chassis.jobs.scene import Painter, Scene


async def main(postgres_url: str) -> None:
    logging.configure("jobs", "INFO", json=True)
    async with open_database(postgres_url, application_name="test", pool_min=1, pool_max=5) as database:
        await Scene(database).runner(Painter()).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
