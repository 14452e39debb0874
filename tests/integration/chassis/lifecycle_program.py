"""A service of which the lifecycle tests choose what it does; a line on stdin lets it go on."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from chassis import lifecycle
from chassis.lifecycle import Service, run
from chassis.logging import logger
from chassis.pooler import PoolerUnsuitable
from chassis.settings import ServiceSettings

log: Final = logger("program")

Composition = Callable[[Service[ServiceSettings], asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def resource(name: str) -> AsyncIterator[None]:
    log.info("opened", name=name)
    try:
        yield
    finally:
        log.info("closed", name=name)


async def work_in_hand(service: Service[ServiceSettings], go_on: asyncio.Event) -> None:
    await service.enter(resource("pool"))
    finished = asyncio.Event()

    async def work() -> None:
        log.info("work taken")
        await go_on.wait()
        log.info("work finished")
        finished.set()
        await asyncio.Event().wait()

    async def finish() -> None:
        log.info("waiting for work")
        await finished.wait()

    service.background(work(), name="work")
    service.on_drain(finish, name="work")


async def order(service: Service[ServiceSettings], _: asyncio.Event) -> None:
    for name in ("first", "second"):
        await service.enter(resource(name))

        async def drained(name: str = name) -> None:
            log.info("part drained", name=name)

        async def stop_taking(name: str = name) -> None:
            log.info("stopped taking", name=name)

        service.on_drain(drained, name=name, stop_taking=stop_taking)

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.info("background ended")

    async def fails() -> None:
        raise ConnectionError("the broker is gone")

    async def is_cancelled_by_a_library() -> None:
        raise asyncio.CancelledError

    service.background(background(), name="background")
    service.on_drain(fails, name="fails")
    service.on_drain(is_cancelled_by_a_library, name="cancelled")


async def task_dies(service: Service[ServiceSettings], go_on: asyncio.Event) -> None:
    await service.enter(resource("pool"))

    async def dies() -> None:
        await go_on.wait()
        raise RuntimeError("a bug")

    async def finish() -> None:
        log.info("part drained")

    service.background(dies(), name="relay")
    service.on_drain(finish, name="work")


async def task_is_cancelled(service: Service[ServiceSettings], go_on: asyncio.Event) -> None:
    async def dies() -> None:
        await go_on.wait()
        raise asyncio.CancelledError

    service.background(dies(), name="consumer")


async def task_ends(service: Service[ServiceSettings], go_on: asyncio.Event) -> None:
    async def ends() -> None:
        await go_on.wait()
        log.info("ended by itself")

    service.background(ends(), name="once")


async def drain_hangs(service: Service[ServiceSettings], _: asyncio.Event) -> None:
    await service.enter(resource("pool"))
    service.on_drain(hang, name="stuck handler")


async def hang() -> None:
    await asyncio.Event().wait()


async def closing_blocks(service: Service[ServiceSettings], _: asyncio.Event) -> None:
    @asynccontextmanager
    async def blocks() -> AsyncIterator[None]:
        yield
        time.sleep(600)  # noqa: ASYNC251  # blocks the loop: that is the case

    lifecycle.CLOSE_SECONDS = 0.2  # type: ignore[misc]  # read when it starts to stop; five seconds are long for a test
    await service.enter(blocks())


async def never_composed(service: Service[ServiceSettings], _: asyncio.Event) -> None:
    await service.enter(resource("pool"))
    log.info("waiting for a server")
    await asyncio.Event().wait()


async def dies_while_composed(service: Service[ServiceSettings], go_on: asyncio.Event) -> None:
    await task_dies(service, go_on)
    log.info("waiting for a server")
    await asyncio.Event().wait()


async def cannot_be_composed(service: Service[ServiceSettings], _: asyncio.Event) -> None:
    await service.enter(resource("pool"))
    raise ConnectionError("no route to amqp://user:hunter2@host/")


async def behind_a_pooler(_: Service[ServiceSettings], __: asyncio.Event) -> None:
    raise PoolerUnsuitable("the pooler keeps nothing")


async def loop_blocks(service: Service[ServiceSettings], go_on: asyncio.Event) -> None:
    async def block() -> None:
        await go_on.wait()
        time.sleep(1.5)  # noqa: ASYNC251  # blocks the loop: that is the case

    service.background(block(), name="block")


async def callback_raises(service: Service[ServiceSettings], go_on: asyncio.Event) -> None:
    def raises(_secret: str) -> None:
        raise RuntimeError("nobody waits for this")

    async def call() -> None:
        await go_on.wait()
        asyncio.get_running_loop().call_soon(raises, "hunter2")
        await asyncio.Event().wait()

    service.background(call(), name="call")


COMPOSITIONS: Final[dict[str, Composition]] = {
    composition.__name__: composition
    for composition in (
        work_in_hand, order, task_dies, task_is_cancelled, task_ends, drain_hangs, closing_blocks, never_composed,
        dies_while_composed, cannot_be_composed, loop_blocks, callback_raises, behind_a_pooler,
    )
}  # fmt: skip


async def compose(service: Service[ServiceSettings]) -> None:
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stdin_is_ready() -> None:
        loop.remove_reader(sys.stdin)
        go_on.set()

    loop.add_reader(sys.stdin, stdin_is_ready)
    log.info("loop", kind=type(loop).__module__)
    await COMPOSITIONS[sys.argv[1]](service, go_on)


if __name__ == "__main__":
    run("program", ServiceSettings, compose)
