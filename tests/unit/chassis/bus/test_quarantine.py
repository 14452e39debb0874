"""What comes again is handled alone, under a mark, and a mark without an owner is a proof."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from chassis.bus import quarantine
from chassis.bus.ports import Delivery, NotHandled
from chassis.bus.quarantine import Mark, Quarantine


@dataclass
class FakeMarks:
    """``lost``: nothing can be marked. ``says``: what is found, in turn, before a mark can be set."""

    says: list[Mark] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    lost: bool = False

    async def set(self, key: str) -> Mark:
        if self.lost:
            raise ConnectionError
        if self.says:
            return self.says.pop(0)
        self.kept.add(key)
        return Mark.SET

    async def remove(self, key: str) -> None:
        if self.lost:
            raise ConnectionError
        self.kept.discard(key)


class Bench:
    def __init__(self) -> None:
        self.marks = FakeMarks()
        self.running: set[bytes] = set()
        self.beside: dict[bytes, set[bytes]] = {}
        self.done: list[bytes] = []
        self.given_up: list[bytes] = []
        self.go = asyncio.Event()
        self.began: defaultdict[bytes, asyncio.Event] = defaultdict(asyncio.Event)
        self.held: set[bytes] = set()  # those that wait for ``go``
        self.marked_while_running: list[int] = []
        self.quarantine = Quarantine(
            self._deliver, marks=self.marks, give_up=self._give_up, ready=self._ready, isolation_seconds=0.2,
            live_mark_seconds=0.5,
        )  # fmt: skip

    async def _ready(self) -> None: ...

    async def _give_up(self, delivery: Delivery) -> None:
        self.given_up.append(delivery.body)

    async def _deliver(self, delivery: Delivery) -> None:
        self.running.add(delivery.body)
        self.began[delivery.body].set()
        for body in self.running:
            self.beside.setdefault(body, set()).update(self.running - {body})
        self.marked_while_running.append(len(self.marks.kept))
        await asyncio.sleep(0.01)
        if delivery.body in self.held:
            await self.go.wait()
        self.running.discard(delivery.body)
        self.done.append(delivery.body)

    def start(self, body: bytes, *, suspect: bool = False) -> "asyncio.Task[None]":
        return asyncio.create_task(self.quarantine.deliver(a_delivery(body, redelivered=suspect)))


def a_delivery(body: bytes, *, redelivered: bool = False) -> Delivery:
    return Delivery(
        queue="easel.commands", body=body, content_type=None, routing_key="easel.paint", user_id="autograph-gateway",
        reply_to=None, correlation_id=None, redelivered=redelivered,
    )  # fmt: skip


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(quarantine, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(quarantine, "DRAIN_SECONDS", 0.1)
    async with asyncio.timeout(10):
        yield Bench()


async def test_what_comes_for_the_first_time_is_handled_with_others_and_leaves_no_mark(bench: Bench) -> None:
    await asyncio.gather(*(bench.start(b"%d" % number) for number in range(5)))

    assert bench.beside[b"0"] == {b"1", b"2", b"3", b"4"}
    assert bench.marked_while_running == [0] * 5


async def test_what_comes_again_is_handled_with_nothing_beside_it_and_marked_for_that_time(bench: Bench) -> None:
    tasks = [bench.start(b"%d" % number, suspect=number % 2 == 0) for number in range(10)]
    await asyncio.gather(*tasks)

    assert sorted(bench.done) == [b"%d" % number for number in range(10)]
    for number in range(0, 10, 2):
        assert bench.beside.get(b"%d" % number, set()) == set()
    assert sorted(bench.marked_while_running) == [0] * 5 + [1] * 5
    assert bench.marks.kept == set()


async def test_a_mark_that_was_left_gives_its_message_up_unhandled(bench: Bench) -> None:
    bench.marks.says = [Mark.OWNED, Mark.OWNED, Mark.LEFT]

    await bench.start(b"poison", suspect=True)

    assert (bench.given_up, bench.done) == ([b"poison"], [])


async def test_what_is_slow_is_acquitted_and_others_go_on_beside_it(bench: Bench) -> None:
    bench.held = {b"slow"}
    slow = bench.start(b"slow", suspect=True)
    await bench.began[b"slow"].wait()
    assert len(bench.marks.kept) == 1

    await bench.start(b"other")

    assert not slow.done()
    assert bench.marks.kept == set()
    bench.go.set()
    await slow


async def test_a_suspect_lets_others_in_while_those_in_hand_do_not_end(bench: Bench) -> None:
    """As in an outage of the database, in which commands wait for its end."""
    bench.held = {b"waits"}
    waits = bench.start(b"waits")
    await bench.began[b"waits"].wait()
    suspect = bench.start(b"suspect", suspect=True)

    await bench.start(b"other")

    assert not suspect.done()
    bench.go.set()
    await asyncio.gather(waits, suspect)
    assert bench.done[-1] == b"suspect"


async def test_while_nothing_can_be_marked_what_comes_again_is_handled_all_the_same(bench: Bench) -> None:
    bench.marks.lost = True

    await bench.start(b"suspect", suspect=True)

    assert bench.done == [b"suspect"]


async def test_the_same_body_from_another_sender_or_queue_is_another_message() -> None:
    first = a_delivery(b"x")
    others = [first._replace(user_id="producer-x"), first._replace(queue="easel.queries"), a_delivery(b"y")]

    assert len({quarantine._key(delivery) for delivery in (first, *others)}) == 4
    assert quarantine._key(first) == quarantine._key(first._replace(redelivered=True))


async def test_a_suspect_that_waits_for_anothers_mark_does_not_hold_up_a_stop() -> None:
    """A mark of a process that died holds for longer than a stop may take."""
    bench = Bench()
    bench.marks.says = [Mark.OWNED] * 1000
    bench.held.add(b"handled")
    waiting = [bench.start(body, suspect=True) for body in (b"one", b"two")]
    handled = bench.start(b"handled")
    await bench.began[b"handled"].wait()

    bench.quarantine.stop()

    for task in waiting:
        async with asyncio.timeout(2):
            with pytest.raises(NotHandled):
                await task
    bench.go.set()
    await handled
    assert bench.done == [b"handled"]
