"""People at work while things break: each command has a key, and is repeated or asked after until its end is known.

Each account has two devices with a session each. They share its diagrams, sign out, and end each other's sessions.
"""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from contracts.auth.sessions import SessionEndedAlready
from contracts.envelope import Actor, ActorKind
from gateway.idempotency import message_id
from tests.faults.history import ABSENT, BEGUN
from tests.faults.session_tracker import Ending, SessionTracker
from tests.system.client import PASSWORD

CLIENTS = 4
GIVE_UP_SECONDS = 120.0  # for one command: longer than any scenario's fault and its healing
PAUSE_SECONDS = (0.0, 0.03)  # between a client's commands: about 60 % of what the machine could do
AGAIN_SECONDS = (0.05, 0.3)
REQUEST_SECONDS = 30.0  # well above any deadline: that one was overrun is for the checker to say
DEVICES = 2  # of each account
ROUND = (
    "create", "change", "change", "read", "haunt", "trash", "restore", "read", "change", "change stale", "refresh",
    "read",
)  # fmt: skip
# Between a device's sign-outs, each of which costs a sign-in.
SIGNED_IN_SECONDS = (1.0, 3.0)
OF_SESSIONS = ("sign out", "end session", "sign out everywhere")
HAUNTS = 6  # sessions that ended last, whose tokens are tried


def digest_of(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


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
    expected: int | None = None  # the revision that it was based on
    digest: str | None = None  # of the content that it writes
    ends: tuple[str, ...] = ()  # sessions, if it succeeds
    accepted: bool = False  # told so, by 2xx or 202
    outcome: str = "unknown"  # succeeded, a refusal's code, or unknown when the client gave up
    reply: dict[str, Any] = field(default_factory=dict)
    ended_at: float = 0.0


@dataclass(slots=True)
class Read:
    """Of a diagram, or of a session by whoever used its token."""

    client: str
    aggregate: str
    begun_at: float
    revision: int
    may_be_gone: bool = False
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    client: str
    session: str
    begun_at: float
    ended_at: float


@dataclass(slots=True)
class Account:
    """What its devices share: they know of each other's changes as people do who sit side by side."""

    email: str = field(default_factory=lambda: f"{uuid4().hex}@example.org")
    id: UUID | None = None
    known: dict[str, tuple[int, bool]] = field(default_factory=dict)  # diagram → revision, in the trash
    sessions: SessionTracker = field(default_factory=SessionTracker)
    tokens: dict[str, str] = field(default_factory=dict)  # by session, for as long as it is of interest
    registering: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Told:
    """What all clients were told, in the order in which it ended."""

    commands: list[Command] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    signed_out: list[Request] = field(default_factory=list)  # 401 to who had signed in, and was not to be signed out
    sign_ins: list[SignIn] = field(default_factory=list)
    users: dict[str, str] = field(default_factory=dict)  # id by client
    registered_at: dict[str, float] = field(default_factory=dict)  # by user

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
    """One device of an account, with a session of its own."""

    def __init__(  # noqa: PLR0917 - each says where it stands
        self,
        name: str,
        http: aiohttp.ClientSession,
        address: str,
        told: Told,
        seed: int,
        account: Account | None = None,
        signed_in_seconds: tuple[float, float] = SIGNED_IN_SECONDS,
    ) -> None:
        self.name = name
        self.address = address
        self._http = http
        self._told = told
        self._random = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._tokens: dict[str, Any] = {}
        self._actor = Actor(kind=ActorKind.USER, id=UUID(int=0))
        self._account = account or Account()
        self._signed_in_seconds = signed_in_seconds
        self._signs_out_at = 0.0

    @property
    def access_token(self) -> str:
        return str(self._tokens["access_token"])

    @property
    def _session(self) -> str:
        return f"session/{self._tokens['session_id']}"

    async def come_in(self) -> None:
        account = self._account
        async with account.registering:
            if account.id is None:
                body = {"email": account.email, "password": PASSWORD}
                answer, told = await self._ask("POST", "/api/auth/register", body)
                assert answer.status == 201, (answer, told)
                account.id = UUID(told["id"])
                self._told.registered_at[told["id"]] = time.monotonic()
        self._actor = Actor(kind=ActorKind.USER, id=account.id)
        self._told.users[self.name] = str(account.id)
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
                case "haunt":
                    await self._haunt()
                case _:
                    await self._act(kind)
            if time.monotonic() > self._signs_out_at:
                await self._end_sessions(self._random.choice(OF_SESSIONS))
            await asyncio.sleep(self._random.uniform(*PAUSE_SECONDS))

    async def ask_for(self, path: str) -> Request:
        answer, _ = await self._ask("GET", path)
        return answer

    async def rename(self, key: str) -> Request:
        headers = {"Idempotency-Key": f'"{key}"'}
        identity = message_id(self._actor, "PATCH", "/api/auth/me", key)
        command = Command(self.name, "rename", identity, None, time.monotonic())
        answer, _ = await self._ask("PATCH", "/api/auth/me", {"name": "Ada"}, headers)
        command.ended_at, command.accepted = time.monotonic(), answer.status in (200, 202)
        self._told.commands.append(command)
        return answer

    async def try_once(self, **headers: str) -> Request:
        """One create, asked for once: whatever is told of it holds."""
        key, path = uuid4().hex, "/api/diagrams"
        command = Command(self.name, "create", message_id(self._actor, "POST", path, key), None, time.monotonic())
        canvas: dict[str, Any] = {"elements": []}
        command.digest = digest_of(canvas)
        body = {"title": f"{self.name} {key}", "type": "canvas", "canvas_data": canvas}
        answer, told = await self._ask("POST", path, body, {"Idempotency-Key": f'"{key}"', **headers})
        command.requests.append(answer)
        command.accepted = answer.status in (201, 202)
        if answer.status == 201:
            command.diagram, command.outcome, command.reply = told["id"], "succeeded", told
        command.ended_at = time.monotonic()
        self._told.commands.append(command)
        return answer

    async def _create(self) -> None:
        canvas = {"elements": [{"id": uuid4().hex}]}
        body = {"title": f"{self.name} {uuid4().hex}", "type": "canvas", "canvas_data": canvas}
        intent = Command(self.name, "create", UUID(int=0), None, 0.0, digest=digest_of(canvas))
        command = await self._until_told(intent, ("POST", "/api/diagrams"), body)
        if command.outcome == "succeeded":
            command.diagram = command.reply["id"]
            self._learn(command.reply["id"], command.reply["revision"], in_trash=False)

    async def _act(self, kind: str) -> None:
        wants_trashed = kind == "restore"
        fitting = [diagram for diagram, (_, trashed) in self._account.known.items() if trashed == wants_trashed]
        if not fitting:
            return
        # Those made last: both devices are at work on them.
        diagram = self._random.choice(fitting[-DEVICES:])
        revision = self._account.known[diagram][0]
        if kind == "change stale":
            if revision == 1:
                return
            revision -= 1
        path = f"/api/diagrams/{diagram}"
        tag = {"If-Match": f'"{revision}"'}
        intent = Command(self.name, kind, UUID(int=0), diagram, 0.0, expected=revision)
        match kind:
            case "change" | "change stale":
                label = uuid4().hex
                canvas = {"elements": [{"id": label}]}
                intent.digest = digest_of(canvas)
                body = {"canvas_data": canvas, "version_label": label}
                command = await self._until_told(intent, ("PATCH", path), body, tag)
            case "trash":
                command = await self._until_told(intent, ("DELETE", path), None, tag)
            case _:
                command = await self._until_told(intent, ("POST", f"{path}/restore"), None, tag)
        if command.outcome == "succeeded":
            # Trashing is answered without a body.
            self._learn(diagram, command.reply.get("revision", revision + 1), in_trash=kind == "trash")
        await self._look_at(diagram)

    def _learn(self, diagram: str, revision: int, *, in_trash: bool) -> None:
        known = self._account.known.get(diagram)
        if known is None or known[0] <= revision:
            self._account.known[diagram] = (revision, in_trash)

    async def _read(self) -> None:
        if self._account.known:
            await self._look_at(self._random.choice(list(self._account.known)[-DEVICES:]))

    async def _look_at(self, diagram: str) -> None:
        """What is so now is what the next change is based on."""
        answer, body = await self._ask("GET", f"/api/diagrams/{diagram}")
        aggregate = f"diagram/{diagram}"
        if answer.status == 200:
            digest = digest_of(body["canvas_data"])
            self._told.reads.append(Read(self.name, aggregate, answer.begun_at, body["revision"], digest=digest))
            self._learn(diagram, body["revision"], in_trash=body["deleted_at"] is not None)
        elif answer.status == 404:
            self._told.reads.append(Read(self.name, aggregate, answer.begun_at, ABSENT))
        elif answer.status == 401:
            await self._sign_in()

    async def _haunt(self) -> None:
        """Uses the token of a session that has ended, or of the other device."""
        tokens = list(self._account.tokens.items())[-HAUNTS:]
        if tokens:
            session, token = self._random.choice(tokens)
            await self._ask("GET", "/api/auth/me", session=(session, token))

    async def _end_sessions(self, kind: str) -> None:
        """Once it is told, nobody may act in what has ended. This device signs in again if it was its own."""
        mine, sessions = self._session, self._account.sessions
        ends: tuple[str, ...]
        within: AbstractContextManager[Ending]
        living = [session for session in sessions.known() if not sessions.may_have_ended(session)]
        match kind:
            case "sign out":
                ends, place = (mine,), ("POST", "/api/auth/logout")
                within = sessions.ending(mine)
            case "sign out everywhere":
                ends, place = tuple(dict.fromkeys([*sessions.known(), mine])), ("POST", "/api/auth/logout-all")
                within = sessions.ending_all()
            case _:
                ended = self._random.choice(living or [mine])
                ends, place = (ended,), ("DELETE", f"/api/auth/sessions/{ended.removeprefix('session/')}")
                within = sessions.ending(ended)
        with within as ending:
            intent = Command(self.name, kind, UUID(int=0), None, 0.0, ends=ends)
            ending.completed(await self._until_told(intent, place, None))
        tried = {session: token for session, token in self._account.tokens.items() if session in ends}
        for session, token in list(tried.items())[-HAUNTS:]:
            await self._ask("GET", "/api/auth/me", session=(session, token))
        if mine in ends:
            await self._sign_in()

    async def _refresh(self) -> None:
        session = self._session
        answer, body = await self._ask(
            "POST", "/api/auth/refresh", {"refresh_token": self._tokens["refresh_token"]}, anonymous=True
        )
        if answer.status == 200:
            self._tokens = body
            self._account.tokens[self._session] = self.access_token
        elif answer.status == 401:
            if not self._account.sessions.may_have_ended(session):
                self._told.signed_out.append(answer)
            await self._sign_in()

    async def _sign_in(self) -> None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            credentials = {"email": self._account.email, "password": PASSWORD}
            with self._account.sessions.beginning() as beginning:
                answer, body = await self._ask("POST", "/api/auth/login", credentials, anonymous=True)
                if answer.status == 200:
                    self._tokens = body
                    beginning.completed(self._session)
                    self._account.tokens[self._session] = self.access_token
                    begun_at, ended_at = answer.begun_at, time.monotonic()
                    self._told.sign_ins.append(SignIn(self.name, self._session, begun_at, ended_at))
                    self._signs_out_at = ended_at + self._random.uniform(*self._signed_in_seconds)
                    return
            assert time.monotonic() < deadline, f"{self.name} could not sign in: {answer}"
            await self._pause()

    async def _until_told(
        self, command: Command, place: tuple[str, str], body: Any, headers: dict[str, str] | None = None
    ) -> Command:
        """*command* says what is meant; *place*: method and path."""
        method, path = place
        key = uuid4().hex
        command.id, command.begun_at = message_id(self._actor, method, path, key), time.monotonic()
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
                if command.ends:
                    break  # it may be over for this command, which then nobody can repeat
                await self._sign_in()
            elif 400 <= answer.status < 500 and answer.code not in ("still_running", "rate_limited"):
                command.outcome, command.reply = answer.code, _current(told)
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
                command.outcome, command.reply = told["problem"]["code"], _current(told["problem"])
                return True
            if answer.status == 401:
                if command.ends:
                    return True
                await self._sign_in()
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
        session: tuple[str, str] | None = None,
    ) -> tuple[Request, Any]:
        """*session*: another than this device's, and its token."""
        sent = dict(headers or {})
        if session is None and self._tokens and not anonymous:
            session = self._session, self.access_token
        if session is not None:
            sent["Authorization"] = f"Bearer {session[1]}"
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
        if session is not None:
            self._note_use(session[0], request)
        return request, told

    def _note_use(self, session: str, request: Request) -> None:
        """Whoever is answered acts in a session that lives. Said of all 401, and of sessions that may be over."""
        may_be_gone = self._account.sessions.may_have_ended(session)
        if request.status == 401:
            if not may_be_gone:
                self._told.signed_out.append(request)
            if request.code == SessionEndedAlready.code:  # and not because of the token
                self._told.reads.append(Read(self.name, session, request.begun_at, ABSENT, may_be_gone))
        elif may_be_gone and 200 <= request.status < 500 and request.status != 429:
            self._told.reads.append(Read(self.name, session, request.begun_at, BEGUN, may_be_gone))


def _current(problem: Any) -> dict[str, Any]:
    """What a refusal says of the diagram as it is."""
    revision = problem.get("current_revision") if isinstance(problem, dict) else None
    return {} if revision is None else {"revision": revision}


@dataclass(slots=True)
class Crowd:
    people: list[Person]
    told: Told
    stop: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def at_work(
    address: str, *, clients: int = CLIENTS, seed: int = 1, signed_in_seconds: tuple[float, float] = SIGNED_IN_SECONDS
) -> AsyncIterator[Crowd]:
    """They work for as long as the block runs, and leave it once all that they began has ended."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
        told = Told()
        accounts = [Account() for _ in range(0, clients, DEVICES)]
        people = [
            Person(str(n), http, address, told, seed * 1000 + n, accounts[n // DEVICES], signed_in_seconds)
            for n in range(clients)
        ]
        crowd = Crowd(people, told)
        await asyncio.gather(*(person.come_in() for person in crowd.people))
        async with asyncio.TaskGroup() as group:
            for person in crowd.people:
                group.create_task(person.work(crowd.stop), name=f"client {person.name}")
            try:
                yield crowd
            finally:
                crowd.stop.set()
