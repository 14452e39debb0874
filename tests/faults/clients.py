"""People at work while things break: each command has a key, and is repeated or asked after until its end is known."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from contracts.envelope import Actor, ActorKind
from gateway.idempotency import message_id
from tests.system.client import PASSWORD

CLIENTS = 4
GIVE_UP_SECONDS = 120.0  # for one command: longer than any scenario's fault and its healing
PAUSE_SECONDS = (0.0, 0.03)  # between a client's commands: about 60 % of what the machine could do
AGAIN_SECONDS = (0.05, 0.3)
REQUEST_SECONDS = 30.0  # well above any deadline: that one was overrun is for the checker to say
ROUND = ("create", "change", "change", "read", "trash", "restore", "read", "change", "refresh")


@dataclass(slots=True)
class Request:
    """One HTTP request as its client saw it; ``status`` 0: no answer."""

    begun_at: float
    seconds: float
    status: int
    code: str = ""


@dataclass(slots=True)
class Command:
    """One intention of a client, over all requests that it took."""

    client: str
    kind: str
    id: UUID  # the message's
    diagram: str | None
    begun_at: float
    requests: list[Request] = field(default_factory=list)
    accepted: bool = False  # told so, by 2xx or 202
    outcome: str = "unknown"  # succeeded, a refusal's code, or unknown when the client gave up
    reply: dict[str, Any] = field(default_factory=dict)
    ended_at: float = 0.0


@dataclass(slots=True)
class Read:
    client: str
    diagram: str
    begun_at: float
    revision: int


@dataclass(slots=True)
class Told:
    """What all clients were told, in the order in which it ended."""

    commands: list[Command] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    signed_out: list[Request] = field(default_factory=list)  # 401 to who had signed in
    users: dict[str, str] = field(default_factory=dict)  # id by client

    @property
    def accepted(self) -> int:
        return sum(command.accepted for command in self.commands)

    def worst_open_seconds(self) -> float:
        return max((request.seconds for request in self.requests), default=0.0)

    def statuses(self, since: float = 0.0, until: float = float("inf")) -> dict[int, int]:
        found: dict[int, int] = {}
        for request in self.requests:
            if since <= request.begun_at <= until:
                found[request.status] = found.get(request.status, 0) + 1
        return dict(sorted(found.items()))


class Person:
    """One client: a user with a session, and diagrams that nobody else changes."""

    def __init__(self, name: str, http: aiohttp.ClientSession, address: str, told: Told, seed: int) -> None:
        self.name = name
        self.address = address
        self._http = http
        self._told = told
        self._random = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._tokens: dict[str, Any] = {}
        self._actor = Actor(kind=ActorKind.USER, id=UUID(int=0))
        self._email = f"{uuid4().hex}@example.org"
        self._known: dict[str, tuple[int, bool]] = {}  # diagram → revision, in the trash

    @property
    def access_token(self) -> str:
        return str(self._tokens["access_token"])

    async def come_in(self) -> None:
        answer, body = await self._ask("POST", "/api/auth/register", {"email": self._email, "password": PASSWORD})
        assert answer.status == 201, (answer, body)
        self._actor = Actor(kind=ActorKind.USER, id=UUID(body["id"]))
        self._told.users[self.name] = body["id"]
        await self._sign_in()

    async def work(self, stop: asyncio.Event) -> None:
        """Goes on until *stop*, and then ends what it began."""
        turn = 0
        while not stop.is_set():
            kind = ROUND[turn % len(ROUND)]
            turn += 1
            match kind:
                case "create":
                    await self._create()
                case "refresh":
                    await self._refresh()
                case "read":
                    await self._read()
                case _:
                    await self._act(kind)
            await asyncio.sleep(self._random.uniform(*PAUSE_SECONDS))

    async def ask_for(self, path: str) -> Request:
        answer, _ = await self._ask("GET", path)
        return answer

    async def rename(self, key: str) -> Request:
        headers = {"Idempotency-Key": f'"{key}"'}
        answer, _ = await self._ask("PATCH", "/api/auth/me", {"name": "Ada"}, headers)
        return answer

    async def try_once(self, **headers: str) -> Request:
        """One create, asked for once: whatever is told of it holds."""
        key, path = uuid4().hex, "/api/diagrams"
        command = Command(self.name, "create", message_id(self._actor, "POST", path, key), None, time.monotonic())
        body = {"title": f"{self.name} {key}", "type": "canvas", "canvas_data": {"elements": []}}
        answer, told = await self._ask("POST", path, body, {"Idempotency-Key": f'"{key}"', **headers})
        command.requests.append(answer)
        command.accepted = answer.status in (201, 202)
        if answer.status == 201:
            command.diagram, command.outcome, command.reply = told["id"], "succeeded", told
        command.ended_at = time.monotonic()
        self._told.commands.append(command)
        return answer

    async def _create(self) -> None:
        body = {"title": f"{self.name} {uuid4().hex}", "type": "canvas", "canvas_data": {"elements": []}}
        command = await self._until_told("create", None, ("POST", "/api/diagrams"), body)
        if command.outcome == "succeeded":
            command.diagram = command.reply["id"]
            self._known[command.reply["id"]] = (command.reply["revision"], False)

    async def _act(self, kind: str) -> None:
        wants_trashed = kind == "restore"
        fitting = [diagram for diagram, (_, trashed) in self._known.items() if trashed == wants_trashed]
        if not fitting:
            return
        diagram = self._random.choice(fitting)
        revision = self._known[diagram][0]
        path = f"/api/diagrams/{diagram}"
        tag = {"If-Match": f'"{revision}"'}
        match kind:
            case "change":
                label = uuid4().hex
                body = {"canvas_data": {"elements": [{"id": label}]}, "version_label": label}
                command = await self._until_told(kind, diagram, ("PATCH", path), body, tag)
            case "trash":
                command = await self._until_told(kind, diagram, ("DELETE", path), None, tag)
            case _:
                command = await self._until_told(kind, diagram, ("POST", f"{path}/restore"), None, tag)
        if command.outcome == "succeeded":
            # Trashing is answered without a body.
            self._known[diagram] = (command.reply.get("revision", revision + 1), kind == "trash")
        else:
            await self._look_again(diagram)

    async def _look_again(self, diagram: str) -> None:
        """After a refusal or an unknown outcome: what is so now is what the next change is based on."""
        answer, body = await self._ask("GET", f"/api/diagrams/{diagram}")
        if answer.status == 200:
            self._known[diagram] = (body["revision"], body["deleted_at"] is not None)
        else:
            self._known.pop(diagram, None)

    async def _read(self) -> None:
        if not self._known:
            return
        diagram = self._random.choice(list(self._known))
        at_least = self._known[diagram][0]
        answer, body = await self._ask("GET", f"/api/diagrams/{diagram}")
        if answer.status == 200:
            self._told.reads.append(Read(self.name, diagram, answer.begun_at, body["revision"]))
            self._known[diagram] = (max(at_least, body["revision"]), body["deleted_at"] is not None)

    async def _refresh(self) -> None:
        answer, body = await self._ask(
            "POST", "/api/auth/refresh", {"refresh_token": self._tokens["refresh_token"]}, anonymous=True
        )
        if answer.status == 200:
            self._tokens = body
        elif answer.status == 401:
            self._told.signed_out.append(answer)
            await self._sign_in()

    async def _sign_in(self) -> None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            credentials = {"email": self._email, "password": PASSWORD}
            answer, body = await self._ask("POST", "/api/auth/login", credentials, anonymous=True)
            if answer.status == 200:
                self._tokens = body
                return
            assert time.monotonic() < deadline, f"{self.name} could not sign in: {answer}"
            await self._pause()

    async def _until_told(
        self, kind: str, diagram: str | None, place: tuple[str, str], body: Any, headers: dict[str, str] | None = None
    ) -> Command:
        """*place*: method and path."""
        method, path = place
        key = uuid4().hex
        identity = message_id(self._actor, method, path, key)
        command = Command(self.name, kind, identity, diagram, time.monotonic())
        deadline = command.begun_at + GIVE_UP_SECONDS
        # Half of the clients believe a 202 and ask after it; the others repeat with their key until they know.
        believes = int(self.name) % 2 == 0
        sent = {"Idempotency-Key": f'"{key}"', **(headers or {})}
        while time.monotonic() < deadline:
            answer, told = await self._ask(method, path, body, sent)
            command.requests.append(answer)
            if answer.status in (200, 201, 204):
                command.accepted, command.outcome, command.reply = True, "succeeded", told or {}
                break
            if answer.status == 202:
                command.accepted = True
                if believes and await self._ask_after(command, told["command"], deadline):
                    break
            elif answer.status == 401:
                self._told.signed_out.append(answer)
                await self._sign_in()
            elif 400 <= answer.status < 500 and answer.code not in ("still_running", "rate_limited"):
                command.outcome = answer.code
                break
            await self._pause()
        command.ended_at = time.monotonic()
        self._told.commands.append(command)
        return command

    async def _ask_after(self, command: Command, address: str, deadline: float) -> bool:
        while time.monotonic() < deadline:
            answer, told = await self._ask("GET", address)
            command.requests.append(answer)
            if answer.status == 200 and told["status"] == "succeeded":
                command.outcome, command.reply = "succeeded", told["outcome"] or {}
                return True
            if answer.status == 200 and told["status"] == "failed":
                command.outcome = told["problem"]["code"]
                return True
            await self._pause()
        return False

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.uniform(*AGAIN_SECONDS))

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        anonymous: bool = False,
    ) -> tuple[Request, Any]:
        sent = dict(headers or {})
        if self._tokens and not anonymous:
            sent["Authorization"] = f"Bearer {self._tokens['access_token']}"
        begun = time.monotonic()
        told: Any = None
        status, code = 0, ""
        try:
            async with self._http.request(method, f"{self.address}{path}", json=body, headers=sent) as response:
                status = response.status
                if response.content_type.endswith("json"):
                    told = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError):
            status = 0
        if isinstance(told, dict):
            code = str(told.get("code", ""))
        request = Request(begun, time.monotonic() - begun, status, code)
        self._told.requests.append(request)
        return request, told


@dataclass(slots=True)
class Crowd:
    people: list[Person]
    told: Told
    stop: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def at_work(address: str, *, clients: int = CLIENTS, seed: int = 1) -> AsyncIterator[Crowd]:
    """They work for as long as the block runs, and leave it once all that they began has ended."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
        told = Told()
        crowd = Crowd([Person(str(n), http, address, told, seed * 1000 + n) for n in range(clients)], told)
        await asyncio.gather(*(person.come_in() for person in crowd.people))
        async with asyncio.TaskGroup() as group:
            for person in crowd.people:
                group.create_task(person.work(crowd.stop), name=f"client {person.name}")
            try:
                yield crowd
            finally:
                crowd.stop.set()
