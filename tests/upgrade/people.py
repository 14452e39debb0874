"""People at work while releases change under them, who remember what they were told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from typing import Any
from uuid import uuid4

import aiohttp

from tests.eventually import eventually
from tests.system.client import PASSWORD, Answer, Client, client

PAUSE_SECONDS = 0.05  # between two requests of a person: enough to be always busy, too little to be the bottleneck
EACH_AGAIN = 2
WITHIN_SECONDS = 60.0


class Refused(AssertionError):
    """A request was not answered as it should be."""


class People:
    def __init__(self, addresses: Sequence[str]) -> None:
        self.failures: list[str] = []
        self._addresses = tuple(addresses)
        self._next = cycle(self._addresses)
        self._in_flight: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._leaving = asyncio.Event()

    async def turn_to(self, *addresses: str) -> None:
        """From now on, by turns; returns when no request to any other is under way, as behind a load balancer."""
        self._addresses = addresses
        self._next = cycle(addresses)

        async def left() -> bool:
            return not +self._in_flight - Counter(dict.fromkeys(addresses, 1_000))

        await eventually(left)

    async def go_on(self) -> None:
        """Returns when everything has been done again that people do. Raises ``Refused`` once anything failed."""
        before = Counter(self._done)

        async def done() -> bool:
            again = (self._done[step.__name__] - before[step.__name__] for step in STEPS)
            return bool(self.failures) or min(again) >= EACH_AGAIN

        await eventually(done, within_seconds=WITHIN_SECONDS)
        self.judge()

    def judge(self) -> None:
        if self.failures:
            raise Refused("\n".join(self.failures[:5]))

    async def work(self, person: "Person") -> None:
        for step in cycle(STEPS):
            if self._leaving.is_set():
                return
            address = person.client.address = next(self._next)
            self._in_flight[address] += 1
            try:
                await step(person)
                self._done[step.__name__] += 1
            except (AssertionError, aiohttp.ClientError, TimeoutError) as error:
                self.failures.append(f"{step.__name__} at {address}: {type(error).__name__} {error}")
            finally:
                self._in_flight[address] -= 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), PAUSE_SECONDS)

    @property
    def address(self) -> str:
        return self._addresses[0]

    def leave(self) -> None:
        self._leaving.set()


class Person:
    def __init__(self, as_client: Client) -> None:
        self.client = as_client
        self.kept: dict[str, str] = {}  # acknowledged: a diagram's address → its title
        self._newest = ""

    async def create(self) -> None:
        title = f"A plan {uuid4()}"
        made = await self._told(await self.client.create(title, Idempotency_Key=str(uuid4())), 201)
        self._newest = f"/api/diagrams/{made['id']}"
        self.kept[self._newest] = title

    async def read(self) -> None:
        answer = _is(await self.client.ask("GET", self._newest), 200)
        assert answer.body["title"] == self.kept[self._newest], answer

    async def change(self) -> None:
        title = f"A better plan {uuid4()}"
        etag = _is(await self.client.ask("GET", self._newest), 200).headers["ETag"]
        changed = await self.client.ask(
            "PATCH", self._newest, {"title": title, "canvas_data": {"elements": []}}, If_Match=etag
        )
        await self._told(changed, 200)
        self.kept[self._newest] = title
        await self.read()

    async def draw(self) -> None:
        """As an editor that saves all the time, whose versions a worker of either release makes or takes over."""
        drawn = {"elements": [{"id": f"{uuid4()}"}]}
        body = {"canvas_data": drawn, "checkpoint": "auto"}
        answer = await self.client.ask("PATCH", self._newest, body, If_Match="*")
        if answer.status == 422:  # the previous release's gateway does not know the field
            answer = await self.client.ask("PATCH", self._newest, {"canvas_data": drawn}, If_Match="*")
        changed = await self._told(answer, 200)
        for place in (self._newest, f"{self._newest}/versions/{changed['version']}"):
            found = _is(await self.client.ask("GET", place), 200)
            assert found.body["canvas_data"] == drawn, found

    async def look_back(self) -> None:
        """Also at what they made first: no cache answers this."""
        for place in (next(iter(self.kept)), self._newest):
            answer = _is(await self.client.ask("GET", f"{place}/versions/1"), 200)
            assert answer.body["canvas_data"] == {"elements": [{"id": "a"}]}, answer

    async def list_all(self) -> None:
        answer = _is(await self.client.ask("GET", "/api/diagrams?limit=1"), 200)
        assert answer.body["total"] == len(self.kept), answer

    async def sign_in_and_out(self) -> None:
        """Beside the session that they began with, which is to outlive every change of release."""
        body = {"email": self.client.email, "password": PASSWORD}
        tokens = _is(await self.client.ask("POST", "/api/auth/login", body), 200).body
        spent = {"refresh_token": tokens["refresh_token"]}
        tokens = _is(await self.client.ask("POST", "/api/auth/refresh", spent), 200).body
        await self._told(
            await self.client.ask("POST", "/api/auth/logout", Authorization=f"Bearer {tokens['access_token']}"), 204
        )

    async def find_all(self) -> None:
        """Asserts that what was acknowledged is there, as it was, once, and nothing else."""
        found = {f"/api/diagrams/{item['id']}": item["title"] for item in await self.client.all_diagrams()}
        assert found == self.kept

    async def _told(self, answer: Answer, status: int) -> Any:
        """What *answer* says, or where the command took longer than it was waited for, its outcome."""
        if answer.status != 202:
            return _is(answer, status).body
        return await outcome_of(self.client, answer.headers["Location"])


async def outcome_of(person: Client, place: str) -> Any:
    """Of a command that was accepted, once it was carried out."""

    async def ended() -> Any:
        told = _is(await person.ask("GET", place), 200)
        return told.body if told.body["status"] != "accepted" else None

    told = await eventually(ended, within_seconds=WITHIN_SECONDS)
    assert told["status"] == "succeeded", told
    return told["outcome"]


STEPS: tuple[Callable[[Person], Awaitable[Any]], ...] = (
    Person.create, Person.read, Person.change, Person.draw, Person.draw, Person.look_back, Person.list_all,
    Person.sign_in_and_out,
)  # fmt: skip


def _is(answer: Answer, status: int) -> Answer:
    assert answer.status == status, answer
    return answer


@asynccontextmanager
async def people_at_work(*addresses: str, count: int = 2) -> AsyncIterator[People]:
    """New ones. At the end, unless the block raises, all that they were told is held against what is there."""
    people = People(addresses)
    async with client(addresses[0]) as first:
        persons = []
        for _ in range(count):
            one = Client(first._http, addresses[0])
            _is(await one.register(), 201)
            await one.sign_in()
            persons.append(Person(one))
        tasks = [asyncio.create_task(people.work(person)) for person in persons]
        try:
            yield people
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            raise
        people.leave()
        await asyncio.gather(*tasks)
        people.judge()
        for person in persons:
            person.client.address = people.address
            await person.find_all()
